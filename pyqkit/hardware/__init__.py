"""What a design costs: cycles and resources of a folding, estimated, and the search for the cheapest."""
