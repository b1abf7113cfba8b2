package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"

	"github.com/gatehouse-am/gatehouse/services/management/internal/catalog"
)

// ask is a way in which the store selects documents.
type ask struct {
	// collection is where; configuration stands for the collection of every kind in the catalog.
	collection string
	// equal are members with one value or some, beyond is one with a range, by the index. The members of rest are looked at
	// in what the index finds.
	equal, beyond, rest string
	// sort is the order, with a minus for descending ones.
	sort string
	// index is the name in the manifest, _id, or everything where all documents are wanted.
	index string
	// who asks, and where the index leaves something to be looked through, how much.
	who string
}

const (
	configuration = "(configuration)"
	// levels stands for the collections of what belongs to a domain or to one of its applications.
	levels     = "(levels)"
	everything = "(everything)"
	// counted says that what a page is taken of is counted as well, in no order.
	counted = " and how many"
	// afterwards says that no index gives the order: what is found is little, or a page of it is wanted all the same.
	afterwards = "; what is found is sorted"
)

// asks is every query that the store sends, with the index that serves it. Lists of configuration are not among them: they
// are answered from the image.
var asks = []ask{
	{configuration, "_id", "", "", "", "_id", "a resource"},
	{configuration, "_id", "", "revision,_set", "", "_id", "a write where the resource is still as it was read"},
	{configuration, "(unique)", "", "", "", "(unique)", "a resource by a unique value"},
	{configuration, "(unique)", "", "_id", "", "(unique)", "who else has a unique value"},
	{configuration, "domain", "", "_gone", "_sort,_id", "order", "a scene before a refusal, and what a deleted domain leaves"},
	{levels, "level", "", "_gone", "_sort,_id", "level", "the forms, e-mails or flows of a domain or an application"},
	{configuration, "domain", "", "(field),_gone", "_sort,_id", "order", "the guard of a deletion, only while the log is held up"},
	{configuration, "", "", "_gone", "_sort,_id", everything, "a process without an image"},
	{configuration, "", "", "(field),_gone", "_sort,_id", everything, "which domains have virtual hosts, when those of one change"},
	{configuration, "", "", "_gone", "", everything, "the image, when it is loaded"},
	{configuration, "", "", "", "", everything, "the comparison of the image with the database"},
	{configuration, "_set", "", "", "", "set", "the sweep, for sets of dead writers"},
	{configuration, "", "domain", "", "domain", "order", "the sweep, for domains that are gone"},

	{configuration, "domain", "", "", "", "order", "what an import has left that came to nothing"},
	{membershipsCollection, "", "_id", "", "_id", "_id", "an export"},
	{linksCollection, "", "_id", "", "_id", "_id", "an export"},
	{consentsCollection, "", "_id", "", "_id", "_id", "an export"},
	{iconsCollection, "", "_id", "", "_id", "_id", "an export"},
	{registrationTokensCollection, "domain", "", "_id", "_id", "domain", "an export" + afterwards},
	{secretKeysCollection, "domain", "", "_id", "_id", "domain", "an export" + afterwards},
	{membershipsCollection, "_id", "", "domain", "", "_id", "an import"},
	{secretKeysCollection, "_id", "", "domain", "", "_id", "an import"},
	{operatorRolesCollection, "", "_id", "", "_id", "_id", "an export"},
	{operatorsCollection, "", "_id", "", "_id", "_id", "an export"},
	{operatorMembersCollection, "", "_id", "", "_id", "_id", "an export"},
	{personalTokensCollection, "", "_id", "", "_id", "_id", "an export"},
	{leasesCollection, "", "_id", "", "_id", "_id", "the sweep, for domains that are being imported"},

	{changesCollection, "", "", "", "-_id", "_id", "the newest change"},
	{changesCollection, "_id", "", "", "", "_id", "a change"},
	{changesCollection, "_id", "", "state", "", "_id", "settling a change"},
	{changesCollection, "state", "", "", "_id", "state", "what is pending"},
	{changesCollection, "", "_id", "", "-_id", "_id", "the past of a fresh replica"},
	{changesCollection, "", "_id", "keys.id", "", "_id", "whether a later change names a resource: what this replica has not read"},
	{changesCollection, "", "at", "_id", "", "at", "the sweep, for old changes"},
	{changesCollection, "state", "_id", "at", "_id", "state", "the sweep, for changes of writers that died"},

	{"installation", "_id", "", "", "", "_id", "who this database is"},
	{"installation", "_id", "", "sealedUnder", "", "_id", "the key that seals, noted again"},
	{migrationsCollection, "", "", "", "_id", "_id", "what was done to this database"},
	{migrationsCollection, "_id", "", "", "", "_id", "noting that"},
	{leasesCollection, "_id", "", "", "", "_id", "a lease"},
	{leasesCollection, "_id", "", "holder,expiresAt", "", "_id", "prolonging a lease"},
	{leasesCollection, "_id", "", "holder", "", "_id", "ending a lease"},
	{leasesCollection, "", "_id", "expiresAt", "", "_id", "the sweep, for leases of imports that ended long ago"},
	{leasesCollection, "_id", "", "revision", "", "_id", "taking or returning a lease"},

	{usersCollection, "_id", "", "", "", "_id", "why a user could not be changed"},
	{usersCollection, "_id", "", "revision,_set", "", "_id", "changing a user"},
	{usersCollection, "_unique_username", "", "", "", "unique_username", "a user by name"},
	{usersCollection, "_unique_username", "", "_id", "", "unique_username", "who else has a name"},
	{usersCollection, "_unique_subject", "", "", "", "unique_subject", "a user by subject"},
	{usersCollection, "_unique_subject", "", "_id", "", "unique_subject", "who else has a subject"},
	{usersCollection, "domain", "", "", "_sort,_id" + counted, "order", "a page of a domain's users"},
	{usersCollection, "domain", "_words", "", "_sort,_id" + counted, "words", "a search for a word or its beginning" + afterwards},
	{usersCollection, "domain", "", "_search", "_sort,_id" + counted, "order", "a search that begins with a star; it looks through the users of the domain"},
	{usersCollection, "domain", "_sort", "", "_sort,_id" + counted, "order", "a filter by user name"},
	{usersCollection, "domain", "_sort", "enabled", "_sort,_id" + counted, "order", "a filter by more; it looks through what the first part finds"},
	{usersCollection, "domain", "_sort", "(_id+_sort|_sort)", "_sort,_id", "order", "the next part of an export"},
	{usersCollection, "domain", "_email", "", "_sort,_id" + counted, "email", "a filter by e-mail address" + afterwards},
	{usersCollection, "domain,externalId", "", "", "_sort,_id" + counted, "external", "a filter by external identifier" + afterwards},
	{usersCollection, "domain", "_firstName", "", "_sort,_id" + counted, "first_name", "a filter by first name" + afterwards},
	{usersCollection, "domain", "_lastName", "", "_sort,_id" + counted, "last_name", "a filter by last name" + afterwards},
	{usersCollection, "domain,source", "", "", "_sort,_id" + counted, "source", "a filter by source" + afterwards},
	{usersCollection, "domain", "createdAt", "", "_sort,_id" + counted, "created", "a filter by creation" + afterwards},
	{usersCollection, "domain", "updatedAt", "", "_sort,_id" + counted, "updated", "a filter by change" + afterwards},
	{secretKeysCollection, "_id", "", "", "", "_id", "keeping and forgetting a value"},
	{secretKeysCollection, "application", "", "", "_id", "application", "the values of an application" + afterwards},
	{secretKeysCollection, "application", "", "", "", "application", "forgetting an application"},
	{secretKeysCollection, "domain", "", "", "", "domain", "removing those of a deleted domain"},
	{secretKeysCollection, "", "expiresAt", "", "", "expiry", "the sweep, for values whose time is over"},
	{secretUsesCollection, "_id", "", "", "_id", "_id", "the uses of some secrets" + afterwards},
	{secretUsesCollection, "_id", "", "", "", "_id", "forgetting a secret"},
	{secretUsesCollection, "_id", "", "at", "", "_id", "a newer use"},
	{secretUsesCollection, "application", "", "", "_id", "application", "the uses of an application's secrets" + afterwards},
	{secretUsesCollection, "application", "", "", "", "application", "forgetting an application"},
	{secretUsesCollection, "domain", "", "", "", "domain", "removing those of a deleted domain"},
	{secretUsesCollection, "", "", "", "", everything, "the sweep, for domains that are gone"},

	{usersCollection, "_id", "", "domain", "_sort,_id" + counted, "_id", "a user, deleting one, and a filter by identifier" + afterwards},
	{usersCollection, "domain,roles", "", "", "", "roles", "taking a role from those who have it"},
	{usersCollection, "", "", "", "", everything, "the sweep, for domains that are gone"},

	{consentsCollection, "_id", "", "", "", "_id", "what a user decided about a client"},
	{consentsCollection, "_id", "", "revision", "", "_id", "changing that"},
	{consentsCollection, "domain,user", "", "", "", "domain", "forgetting a user"},
	{consentsCollection, "domain,user", "", "", "_id", "domain", "what a user decided" + afterwards},
	{consentsCollection, "domain,clientId", "", "", "", "client", "forgetting a client"},
	{consentsCollection, "domain", "", "decisions.scope", "_id", "domain", "forgetting a scope; it looks through the consents of the domain" + afterwards},
	{consentsCollection, "domain", "", "", "", "domain", "removing the consents of a deleted domain"},
	{consentsCollection, "", "", "", "", everything, "the sweep, for domains that are gone"},

	{operatorsCollection, "_id", "", "", "", "_id", "an operator"},
	{operatorsCollection, "_id", "", "revision", "", "_id", "changing an operator"},
	{operatorsCollection, "", "", "", "_id", "_id", "all operators"},
	{operatorsCollection, "id", "", "", "", "id", "an operator by identifier"},
	{operatorMembersCollection, "_id", "", "", "", "_id", "a membership of an operator"},
	{operatorMembersCollection, "reference", "", "", "_id" + counted, "place", "the members of a place, and forgetting a place"},
	{operatorMembersCollection, "operator,domain", "", "", "_id", "operator", "what an operator is in a domain" + afterwards},
	{operatorMembersCollection, "operator,domain", "", "", "", "operator", "whether an operator is anything in a domain"},
	{operatorMembersCollection, "operator", "", "", "", "operator", "the domains and roles of an operator, and forgetting one"},
	{operatorMembersCollection, "role", "", "", "", "role", "whether anybody has a role"},
	{operatorMembersCollection, "domain", "", "", "", "domain", "removing the members of a deleted domain"},
	{operatorMembersCollection, "", "", "", "", everything, "the sweep, for domains that are gone"},
	{operatorRolesCollection, "_id", "", "", "", "_id", "a role of operators"},
	{operatorRolesCollection, "_id", "", "revision", "", "_id", "changing or deleting one"},
	{operatorRolesCollection, "", "", "", "_unique_name", "unique_name", "all of them"},
	{personalTokensCollection, "_id", "", "", "", "_id", "a token that an operator has made"},
	{personalTokensCollection, "operator", "", "", "createdAt,_id", "operator", "the tokens of an operator" + afterwards},
	{personalTokensCollection, "operator,id", "", "", "", "operator", "deleting one"},
	{personalTokensCollection, "operator", "", "", "", "operator", "forgetting an operator"},
	{attemptsCollection, "_id", "", "", "", "_id", "attempts to sign in"},
	{attemptsCollection, "_id", "", "revision", "", "_id", "counting them"},
	{attemptsCollection, "", "expiresAt", "", "", "expiry", "the sweep, for those that are long ago"},
	{confirmationsCollection, "_id", "", "", "", "_id", "the numbers of a question"},
	{confirmationsCollection, "", "expiresAt", "", "", "expiry", "the sweep, for questions whose time is over"},
	{signingKeysCollection, "_id", "", "", "", "_id", "the keys of a purpose"},
	{signingKeysCollection, "_id", "", "revision", "", "_id", "rotating them"},
	{tokensCollection, "_id", "", "", "", "_id", "whether a token was revoked"},
	{tokensCollection, "", "expiresAt", "", "", "expiry", "the sweep, for tokens that have ended"},

	{linksCollection, "_id", "", "", "", "_id", "the link of an identity"},
	{linksCollection, "domain,user", "", "", "linkedAt,_id", "user", "the links of some people" + afterwards},
	{linksCollection, "domain,user", "", "", "", "user", "forgetting a user"},
	{linksCollection, "domain,source", "", "", "", "source", "forgetting a deleted provider"},
	{linksCollection, "domain", "", "", "", "user", "removing the links of a deleted domain"},
	{membershipsCollection, "_id", "", "", "", "_id", "taking people out of a group"},
	{membershipsCollection, "domain,group", "", "", "_id" + counted, "group", "a page of a group, and forgetting one"},
	{membershipsCollection, "domain,user", "", "", "_id", "user", "the groups of some people" + afterwards},
	{membershipsCollection, "domain,user", "", "", "", "user", "forgetting a user"},
	{membershipsCollection, "domain", "", "", "", "group", "removing the memberships of a deleted domain"},
	{membershipsCollection, "", "", "", "", everything, "the sweep, for domains that are gone"},
	{configuration, "domain", "", "(field),_gone", "", "order", "how many clients a domain has registered; applications have an index for it"},
	{configuration, "domain", "", "(field),_gone,_id", "", "order", "the same beside those under way"},
	{registrationSeatsCollection, "_id", "", "", "", "_id", "the places of a domain's registered clients"},
	{registrationSeatsCollection, "_id", "", "revision", "", "_id", "taking or giving back a place"},

	{mailsCollection, "", "dueAt", "heldUntil", "dueAt,_id", "due", "what is to be sent next"},
	{mailsCollection, "_id", "", "revision", "", "_id", "a write of who still holds it"},
	{mailsCollection, "_id", "", "", "", "_id", "one that was sent"},
	{mailsCollection, "domain,user", "", "", "", "domain", "forgetting a user"},
	{mailsCollection, "domain", "", "", "", "domain", "how many of a domain wait, and removing those of a deleted one"},
	{mailsCollection, "", "", "", "", everything, "how many wait, and the sweep, for domains that are gone"},
	{mailsCollection, "", "", "", "createdAt", "created", "the oldest that waits"},
	{mailLimitsCollection, "_id", "", "", "", "_id", "whether another one may be sent"},
	{mailLimitsCollection, "", "expiresAt", "", "", "expiry", "the sweep"},
	{ticketsCollection, "_id", "", "", "", "_id", "a ticket that is used"},
	{ticketsCollection, "_id", "", "domain", "", "_id", "a ticket"},
	{ticketsCollection, "_id", "", "tries", "", "_id", "counting a password that was tried with it"},
	{ticketsCollection, "domain,user", "", "_id,purpose", "", "user", "those that another one takes the place of"},
	{ticketsCollection, "domain,user", "", "expiresAt,purpose", "", "user", "whether there is one"},
	{ticketsCollection, "domain,user", "", "", "", "user", "forgetting a user"},
	{ticketsCollection, "domain", "", "", "", "user", "removing those of a deleted domain"},
	{ticketsCollection, "", "expiresAt", "", "", "expiry", "the sweep"},
	{ticketsCollection, "", "", "", "", everything, "the sweep, for domains that are gone"},
	{iconsCollection, "_id", "", "", "", "_id", "an icon"},
	{iconsCollection, "domain", "", "", "", "domain", "removing those of a deleted domain"},
	{registrationAttemptsCollection, "_id", "", "", "", "_id", "an attempt"},
	{registrationAttemptsCollection, "_id", "", "revision", "", "_id", "a write of who makes it"},
	{registrationAttemptsCollection, "domain", "", "", "", "domain", "removing those of a deleted domain"},
	{registrationAttemptsCollection, "", "expiresAt", "", "", "expiry", "the sweep"},
	{registrationTokensCollection, "hash", "", "domain", "", "hash", "a token that is presented"},
	{registrationTokensCollection, "_id", "", "domain", "", "_id", "a token"},
	{registrationTokensCollection, "_id", "", "expiresAt,pending,used", "", "_id", "counting a use"},
	{registrationTokensCollection, "_id", "", "pending", "", "_id", "settling a use, and taking one back"},
	{registrationTokensCollection, "", "pending", "", "_id", "pending", "the housekeeping, for uses whose processes died" + afterwards},
	{registrationTokensCollection, "domain", "", "", "-createdAt,_id", "domain", "the tokens of a domain" + afterwards},
	{registrationTokensCollection, "domain", "", "", "", "domain", "how many there are, and removing those of a deleted domain"},
	{clientUsesCollection, "_id", "", "", "", "_id", "forgetting an application"},
	{clientUsesCollection, "_id", "", "", "_id", "_id", "the uses of some clients" + afterwards},
	{clientUsesCollection, "domain", "", "", "_id", "domain", "the uses of a domain" + afterwards},
	{clientUsesCollection, "domain", "", "", "", "domain", "removing those of a deleted domain"},
	{bindingTalliesCollection, "application,binding", "hour", "", "hour,_id", "binding", "what a report-only binding came to" + afterwards},
	{bindingTalliesCollection, "application", "", "", "", "binding", "forgetting an application"},
	{bindingTalliesCollection, "domain", "", "", "", "domain", "removing those of a deleted domain"},
	{gatewayStreamsCollection, "_id", "", "", "", "_id", "what a replica says of a gateway"},
	{gatewayStreamsCollection, "replica", "", "at", "", "replica", "what it says no more"},
	{gatewayStreamsCollection, "replica", "", "", "", "replica", "forgetting what it has said"},
	{gatewayStreamsCollection, "", "expiresAt", "replica", "_id", "expiry", "what the others say" + afterwards},
	{gatewayStreamsCollection, "", "expiresAt", "", "", "expiry", "the sweep"},
	{touchesCollection, "", "", "", "-_id", "_id", "the newest entry of the log of touches"},
	{touchesCollection, "", "_id", "", "_id", "_id", "the entries after one"},
	{touchesCollection, "", "at", "", "", "at", "the entries of the last minute"},
	{touchesCollection, "", "at", "_id", "", "at", "the sweep"},
	{usersCollection, "domain", "loggedAt", "", "", "logged", "who has signed in since"},
	{bindingTalliesCollection, "", "hour", "", "", "hour", "the sweep"},
	{keepingCollection, "_id", "", "", "", "_id", "since when a domain keeps house"},
	{keepingCollection, "", "", "", "", everything, "which domains do"},

	{auditsCollection, "_id", "", "", "", "_id", "a record, and records of what did not happen"},
	{auditsCollection, "", "", "", "-at,-_id", "time", "a page of all records"},
	{auditsCollection, "", "", "", "", everything, "how many there are"},
	{auditsCollection, "", "at", "", "-at,-_id" + counted, "time", "those of a time"},
	{auditsCollection, "action", "", "", "-at,-_id" + counted, "any_action", "those of an action"},
	{auditsCollection, "result", "", "", "-at,-_id" + counted, "result", "those with a result"},
	{auditsCollection, "(actorId|actorName)", "", "", "-at,-_id" + counted, "actor|actor_name", "those of somebody"},
	{auditsCollection, "", "", "causeKind", "-at,-_id", "time", "those that were meant"},
	{auditsCollection, "", "", "causeKind", "", everything, "how many of those there are"},
	{auditsCollection, "domain", "", "", "-at,-_id" + counted, "domain", "a page of a domain's records"},
	{auditsCollection, "domain", "at", "", "-at,-_id" + counted, "domain", "those of a time"},
	{auditsCollection, "domain,action", "", "", "-at,-_id" + counted, "action", "those of an action"},
	{auditsCollection, "domain", "", "result", "-at,-_id" + counted, "domain", "those with a result; it looks through the records of the domain"},
	{auditsCollection, "domain", "", "kind", "-at,-_id" + counted, "domain", "those of a kind; it looks through the records of the domain"},
	{auditsCollection, "domain", "", "causeKind", "-at,-_id" + counted, "domain", "those that were meant; it looks through the records of the domain"},
	{auditsCollection, "(actorId|actorName)", "", "domain", "-at,-_id" + counted, "actor|actor_name", "those of somebody in a domain"},
	{auditsCollection, "domain", "revision", "", "-revision,-_id" + counted, "revision", "those of some revisions"},
	{auditsCollection, "domain", "", "kind,result", "-at,-_id" + counted, "domain", "what changed in a domain; it looks through the records of the domain"},
	{auditsCollection, "domain,action", "", "kind,result", "-at,-_id" + counted, "action", "what was deleted in a domain"},
	{auditsCollection, "domain", "revision", "kind,result", "-revision,-_id" + counted, "revision", "what changed between two revisions"},
	{auditsCollection, "domain", "revision", "action,kind,result", "-revision,-_id" + counted, "revision", "what was deleted between them"},
	{auditsCollection, "resourceId", "", "domain,kind", "-revision,-_id" + counted, "resource", "those of a resource"},
	{auditsCollection, "resourceId", "", "domain,kind,result", "-revision,-_id" + counted, "resource", "the versions of a resource"},
	{auditsCollection, "resourceId", "revision", "domain,kind,result", "-revision,-_id" + counted, "resource", "a resource at a revision, and its versions between two"},
	{auditsCollection, "resourceId", "revision", "domain,kind,result", "revision,_id", "resource", "what was before the oldest record that is kept"},
	{auditsCollection, "resourceId,revision", "", "", "", "resource", "the sweep, for records of writers that died"},
	{auditsCollection, "resourceId", "", "_id,kind,previous", "", "resource", "whether somebody has built on a change whose writer died"},
	{auditsCollection, "", "at", "", "at,_id", "time", "the sweep, for old records"},
	{auditsCollection, "", "at", "(_id+at|at)", "at,_id", "time", "the next part of them"},
}

// expanded are all asks, with a count beside each page that is counted.
func expanded() []ask {
	var all []ask
	for _, a := range asks {
		var too bool
		if a.sort, too = strings.CutSuffix(a.sort, counted); too {
			count := a
			count.sort = ""
			all = append(all, count)
		}
		all = append(all, a)
	}
	return all
}

// shape is what two queries have in common that differ in their values only.
func (a ask) shape() string {
	return fmt.Sprintf("%s where %s = … and %s > … and so on %s, by %s", a.collection, sorted(a.equal), a.beyond, sorted(a.rest), a.sort)
}

// members are all members of a filter, wherever they stand.
func (a ask) members() string { return sorted(strings.Join([]string{a.equal, a.beyond, a.rest}, ",")) }

func sorted(list string) string {
	names := slices.DeleteFunc(strings.Split(list, ","), func(n string) bool { return n == "" })
	slices.Sort(names)
	return strings.Join(names, ",")
}

// TestEachQueryHasItsIndex proves the table itself: the index that a query names is in the manifest, begins with the
// members that are equal, and gives the order.
func TestEachQueryHasItsIndex(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range expanded() {
		if seen[a.shape()] {
			t.Errorf("listed twice: %s", a.shape())
		}
		seen[a.shape()] = true
		collections := []string{a.collection}
		kinds := map[string][]catalog.Any{configuration: catalog.All, levels: catalog.LeveledKinds}[a.collection]
		if kinds != nil {
			collections = nil
		}
		for _, k := range kinds {
			collections = append(collections, k.Descriptor().Path)
		}
		for _, collection := range collections {
			if problem := served(a, manifest()[collection]); problem != "" {
				t.Errorf("%s: %s: %s", collection, a.who, problem)
			}
		}
	}
}

// served returns why an index does not serve a query, or nothing.
func served(a ask, indexes []index) string {
	var columns []string
	switch a.index {
	case everything:
		if a.equal != "" || a.beyond != "" {
			return "looks for something and reads everything"
		}
		return ""
	case "_id":
		columns = []string{"_id"}
	case "(unique)":
		return "" // every unique value has an index; TestIndexesAreReconciled
	default:
		// Alternatives have an index each.
		for name := range strings.SplitSeq(a.index, "|") {
			i := slices.IndexFunc(indexes, func(i index) bool { return i.name == ours+name })
			if i < 0 {
				return "no index " + name
			}
			for n, e := range indexes[i].members {
				if n < len(columns) && columns[n] != e.Key {
					columns[n] += "|" + e.Key
				} else if n == len(columns) {
					columns = append(columns, e.Key)
				}
			}
		}
		if strings.Contains(a.index, "|") {
			columns[0] = "(" + columns[0] + ")"
		}
	}
	equal := strings.FieldsFunc(a.equal, func(r rune) bool { return r == ',' })
	if len(equal) > len(columns) || sorted(strings.Join(columns[:len(equal)], ",")) != sorted(a.equal) {
		return fmt.Sprintf("the index %v does not begin with %s", columns, a.equal)
	}
	columns = columns[len(equal):]
	if a.beyond != "" && (len(columns) == 0 || columns[0] != a.beyond) {
		return fmt.Sprintf("the index does not go on with %s", a.beyond)
	}
	order := strings.Split(strings.ReplaceAll(a.sort, "-", ""), ",")
	if a.sort != "" && !strings.HasSuffix(a.who, afterwards) && (len(order) > len(columns) || !slices.Equal(columns[:len(order)], order)) {
		return fmt.Sprintf("the index does not give the order %s", a.sort)
	}
	if a.equal == "" && a.beyond == "" && a.sort == "" {
		return "the index is not used for anything"
	}
	return ""
}

// TestEveryQueryIsInTheTable walks over everything that the store can be asked, and compares the commands that reach the
// server with the table: none is missing, and none is listed that is not sent.
func TestEveryQueryIsInTheTable(t *testing.T) {
	sent := &monitor{shapes: map[string]string{}}
	s := fresh(t, func(o *Options) { o.monitor = &event.CommandMonitor{Started: sent.started} })
	w := &walk{T: t, s: s}
	for _, step := range steps {
		sent.during(step.method)
		step.do(w)
		if t.Failed() {
			t.Fatalf("in %s", step.method)
		}
	}

	// By its members a command tells what it selects; which of them the index finds, the table says.
	listed := map[string]ask{}
	for _, a := range expanded() {
		listed[a.collection+" "+a.members()+" "+a.sort] = a
	}
	unused := maps.Clone(listed)
	for shape, by := range sent.shapes {
		if _, ok := listed[shape]; !ok {
			t.Errorf("not in the table: %s asks %s", by, shape)
		}
		delete(unused, shape)
	}
	for shape, a := range unused {
		t.Errorf("in the table and never asked: %s (%s)", shape, a.who)
	}
}

// TestWalkIsComplete: a method of the store that the walk leaves out would send queries that nobody has looked at.
func TestWalkIsComplete(t *testing.T) {
	walked := map[string]bool{}
	for _, step := range steps {
		walked[step.method] = true
	}
	var look func(reflect.Type)
	looked := map[reflect.Type]bool{}
	look = func(of reflect.Type) {
		if looked[of] {
			return
		}
		looked[of] = true
		for i := range of.NumMethod() {
			m := of.Method(i)
			if m.Type.NumIn() == 1 && m.Type.NumOut() == 1 && m.Type.Out(0).Kind() == reflect.Pointer {
				look(m.Type.Out(0)) // a part of the store
				continue
			}
			name := of.Elem().Name() + "." + m.Name
			if !walked[name] && !asksNothing[name] {
				t.Errorf("%s is not in the walk", name)
			}
			delete(walked, name)
		}
	}
	look(reflect.TypeFor[*Store]())
	for name := range walked {
		if !functions[name] {
			t.Errorf("the walk names %s, which does not exist", name)
		}
	}
}

// monitor notes what is selected by the commands that are sent.
type monitor struct {
	mu     sync.Mutex
	method string            // what is being walked over
	shapes map[string]string // who sent it first
}

func (m *monitor) during(method string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.method = method
}

func (m *monitor) started(_ context.Context, e *event.CommandStartedEvent) {
	var command bson.D
	if err := bson.Unmarshal(e.Command, &command); err != nil {
		panic(err)
	}
	of := func(name string) any { return member(command, name) }
	switch e.CommandName {
	case "find":
		m.note(of("find"), of("filter"), of("sort"))
	case "count":
		m.note(of("count"), of("query"), nil)
	case "findAndModify":
		m.note(of("findAndModify"), of("query"), of("sort"))
	case "distinct":
		m.note(of("distinct"), of("query"), nil)
	case "update":
		for _, u := range of("updates").(bson.A) {
			m.note(of("update"), member(u.(bson.D), "q"), nil)
		}
	case "delete":
		for _, d := range of("deletes").(bson.A) {
			m.note(of("delete"), member(d.(bson.D), "q"), nil)
		}
	case "aggregate":
		var filter, order any
		for _, stage := range of("pipeline").(bson.A) {
			filter = cmp.Or(filter, member(stage.(bson.D), "$match"))
			order = cmp.Or(order, member(stage.(bson.D), "$sort"))
		}
		m.note(of("aggregate"), filter, order)
	}
}

// alternatives names the members of a $or: those of one alternative with a plus between.
func alternatives(parts bson.A) string {
	var names []string
	for _, part := range parts {
		var members []string
		for _, e := range part.(bson.D) {
			members = append(members, e.Key)
		}
		slices.Sort(members)
		names = append(names, strings.Join(members, "+"))
	}
	slices.Sort(names)
	return "(" + strings.Join(names, "|") + ")"
}

func (m *monitor) note(collection, filter, order any) {
	name, isKind := collection.(string), false
	for _, k := range catalog.All {
		isKind = isKind || k.Descriptor().Path == name
	}
	if isKind {
		name = configuration
	}
	var members []string
	f, _ := filter.(bson.D)
	for i := 0; i < len(f); i++ {
		e := f[i]
		switch {
		case e.Key == "$and":
			for _, part := range e.Value.(bson.A) {
				f = append(f, part.(bson.D)...)
			}
			continue
		case e.Key == "$or":
			e.Key = alternatives(e.Value.(bson.A))
		case isKind && strings.HasPrefix(e.Key, memberUnique):
			e.Key = "(unique)"
		case isKind && e.Key == "level":
			name = levels
		case isKind && e.Key != "_id" && e.Key != "domain" && e.Key != "revision" && !strings.HasPrefix(e.Key, "_"):
			e.Key = "(field)"
		}
		members = append(members, e.Key)
	}
	var by []string
	o, _ := order.(bson.D)
	for _, e := range o {
		if fmt.Sprint(e.Value) == "-1" {
			e.Key = "-" + e.Key
		}
		by = append(by, e.Key)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	shape := name + " " + sorted(strings.Join(members, ",")) + " " + strings.Join(by, ",")
	if m.shapes[shape] == "" {
		m.shapes[shape] = m.method
	}
}
