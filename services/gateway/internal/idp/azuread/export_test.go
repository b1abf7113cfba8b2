package azuread

// Open is New for a site at another address.
var Open = open

// What metadata and tokens say of directories.
const (
	Placeholder = placeholder
	Consumers   = consumers
)
