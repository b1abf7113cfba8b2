package store

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// durable makes what is acknowledged survive the loss of a server, and what is read be such: the change log counts revisions in
// it, and a revision that is taken back would be given to another change. A connection string may say so itself, with a wtimeoutMS
// for example, and may not say less.
func durable(o *options.ClientOptions) error {
	switch w := o.WriteConcern; {
	case w == nil:
		o.SetWriteConcern(&writeconcern.WriteConcern{W: writeconcern.WCMajority, Journal: new(true)})
	case w.W != nil && w.W != writeconcern.WCMajority:
		return fmt.Errorf("the connection string says w=%v, and only w=majority keeps what was acknowledged when a server is lost", w.W)
	case w.Journal != nil && !*w.Journal:
		return fmt.Errorf("the connection string says journal=false, and what was acknowledged would be lost with a server's memory")
	default:
		o.SetWriteConcern(&writeconcern.WriteConcern{W: writeconcern.WCMajority, Journal: new(true)})
	}
	switch r := o.ReadConcern; {
	case r == nil:
		o.SetReadConcern(readconcern.Majority())
	case r.Level != readconcern.Majority().Level && r.Level != readconcern.Linearizable().Level:
		return fmt.Errorf("the connection string says readConcernLevel=%s, and only majority and linearizable read what stays", r.Level)
	}
	if p := o.ReadPreference; p != nil && p.Mode() != readpref.PrimaryMode {
		return fmt.Errorf("the connection string says readPreference=%s, and only the primary has what was just written", p.Mode())
	}
	return nil
}
