"""What the command line says of a file without a screen: the tree, one JSON document, the values of one tensor."""
