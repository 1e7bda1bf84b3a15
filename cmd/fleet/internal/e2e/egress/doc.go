// Package egress holds the end-to-end tests of the gate against the cases of egress: on a real machine, agents of both
// kinds of isolation ask for what they may have and for what they may not, as their own users inside their units, and
// the origins behind the only way out tell what arrived. A refusal counts where the origins saw nothing and the gate has
// recorded it, or the kernel counted it. Tests have the names of the cases; they have the build tag machine.
package egress
