# Shows the end of the agent's journal. There is no pager, and journalctl does not print control characters.
exec journalctl --unit="$unit" --lines=200 --output=short-iso --no-pager --quiet
