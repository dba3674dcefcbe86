"""One module per section: `run(stage)` measures and returns figures. Each can be run alone."""
