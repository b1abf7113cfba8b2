package google

// Open is New for a site at another address.
var Open = open
