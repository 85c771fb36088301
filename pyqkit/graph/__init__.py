"""The dataflow graph: operators on integer codes, with one definition of what each computes."""
