// Package gatehouse runs the whole of Gatehouse in one process, for development: backing servers, management, a gateway
// and a demonstration.
//
// Management and the gateway are the ordinary services, wired as on separate machines: they talk over a mutually
// authenticated gRPC connection, with certificates of an authority that is made in the data directory. Only the servers
// behind them are replaced, see package backing. The demonstration is made through the management API, as any user
// would make it.
package gatehouse
