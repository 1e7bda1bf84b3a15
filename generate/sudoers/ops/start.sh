# Starts the agent that a person stopped, or that ended.
rm -f -- "$stopped"
systemctl start -- "$unit"
