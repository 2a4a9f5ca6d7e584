//! Structure of JSON text, found without building a tree.
