"""Every schedule of the real code: clients, nodes, failures and resynchronization, up to bounds."""
