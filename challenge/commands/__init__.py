"""The command lines, one file per verb of `bash run.sh`, named as the verb: parse, call, report."""
