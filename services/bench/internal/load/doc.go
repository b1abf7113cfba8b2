// Package load asks a server as fast as it answers: a fixed number of keep-alive connections, each sending the next request
// when the answer to the last has come (a closed loop). It speaks just enough HTTP/1.1 to cost little beside the server,
// counts, times and, once in a while, checks.
package load
