"""Pure rules of selling that several services need: dated reference values, stages, the life of a deal, documents."""
