"""The style in which the C++ of ``hls/`` schedules by inspection, checked on clang's syntax tree.

It holds templates as they are written, before anybody instantiates them. What it does not show: how many
stages an operator takes and which clock the result meets; no tool of AMD's has been run.
"""
