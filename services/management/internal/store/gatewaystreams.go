package store

import (
	"context"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

const gatewayStreamsCollection = "gateway_streams"

// GatewayStreams keeps what each replica says of the gateways whose streams end at it, for replicas that are asked and have
// others. It is no configuration: nothing is announced, and nothing of it is exported.
type GatewayStreams struct{ docs documents[GatewayStream] }

// GatewayStreams returns what replicas say of gateways.
func (s *Store) GatewayStreams() *GatewayStreams {
	return &GatewayStreams{documents[GatewayStream]{s, gatewayStreamsCollection}}
}

// GatewayStream is what a replica has said of one stream. Its times are the replica's, so the time to live has to be longer than
// clocks differ.
type GatewayStream struct {
	ID        string    `bson:"_id"`
	Replica   string    `bson:"replica"`
	At        time.Time `bson:"at"`
	ExpiresAt time.Time `bson:"expiresAt"`
	// Gateway is a gatehouse.management.v1.Gateway in the wire format of protocol buffers, so that a neighbouring version keeps what
	// it does not know.
	Gateway []byte `bson:"gateway"`
}

// Say replaces what a replica has said before. What is not said again is forgotten after ttl.
func (g *GatewayStreams) Say(ctx context.Context, replica string, gateways [][]byte, ttl time.Duration) error {
	now := g.docs.s.now().UTC().Truncate(time.Millisecond)
	writes := make([]mongo.WriteModel, 0, len(gateways)+1)
	for i, gateway := range gateways {
		one := &GatewayStream{ID: replica + "/" + strconv.Itoa(i), Replica: replica, At: now, ExpiresAt: now.Add(ttl), Gateway: gateway}
		writes = append(writes, mongo.NewReplaceOneModel().SetUpsert(true).SetFilter(bson.M{"_id": one.ID}).SetReplacement(one))
	}
	writes = append(writes, mongo.NewDeleteManyModel().SetFilter(bson.M{"replica": replica, "at": bson.M{"$ne": now}}))
	_, err := g.docs.collection().BulkWrite(ctx, writes)
	return g.docs.s.fail(ctx, err)
}

// Forget takes back what a replica has said.
func (g *GatewayStreams) Forget(ctx context.Context, replica string) error {
	return g.docs.removeMany(ctx, bson.M{"replica": replica})
}

// Others returns what replicas other than one say, without what is too old to be believed.
func (g *GatewayStreams) Others(ctx context.Context, than string) ([]*GatewayStream, error) {
	return g.docs.list(ctx, bson.M{"replica": bson.M{"$ne": than}, "expiresAt": bson.M{"$gt": g.docs.s.now().UTC()}}, bson.D{{Key: "_id", Value: 1}}, 0)
}

// pruneGatewayStreams forgets what replicas have said that have died.
func (s *Store) pruneGatewayStreams(ctx context.Context) error {
	return s.GatewayStreams().docs.removeMany(ctx, bson.M{"expiresAt": bson.M{"$lte": s.now().UTC()}})
}
