"""tito, the TinyTorch tools: unlock katas, test them, prove them. `tito --help` lists the commands."""
