"""How the text of kernels becomes LLVM's intermediate language."""
