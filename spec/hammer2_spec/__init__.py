"""What must hold: vocabulary, semantics, the declarative specification, properties. Standard library only."""
