// Package nft makes the project's nftables ruleset: one table of family inet whose maps are keyed on UID, so that what
// a packet costs does not grow with the number of agents. The rules hold for sockets of the host's network namespace;
// agents of isolation namespace have none there and everything of their UID is rejected all the same.
//
// The package also carries libexec/firewall, the script that holds the table in the kernel.
package nft

// Table is one table of family inet. Text makes the only form of it that leaves this package.
type Table struct {
	Name     string
	Head     []string // comment lines above the table
	Counters []Counter
	Sets     []Set
	Chains   []Chain
}

// Counter is a named counter. It is written with zeroes; the holder puts the kernel's values in when it reloads.
type Counter struct {
	Name string
	Note string // comment
}

// Set is a set, or a map where Value is not "".
type Set struct {
	Name     string
	Key      string // nft type, such as "uid" or "uid . inet_service"
	Value    string // "verdict", "counter" or an nft type
	Flags    []string
	Size     int
	Timeout  string // nft time, such as "10m"
	Elements []Element
	Note     string
}

// Element is a member of a set or map.
type Element struct {
	Key   []Term // parts of a concatenation
	Value []Term
	Note  string
}

// Chain is a chain; Hook is nil where rules jump to it.
type Chain struct {
	Name  string
	Hook  *Hook
	Rules []Rule
	Note  string
}

// Hook makes a chain a base chain of policy accept.
type Hook struct {
	Type     string // "" is filter
	At       string // output or input
	Priority int
}

// Rule is one rule. Its terms are joined by spaces.
type Rule struct {
	Terms []Term
	Note  string
}
