package store

import (
	"fmt"
	"regexp"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/gatehouse-am/gatehouse/services/management/internal/scim"
)

// userMembers are the members of a user's document that hold what filters compare.
var userMembers = map[string]string{
	"id": "_id", "username": memberSort, "email": memberEmail, "firstName": memberFirstName, "lastName": memberLastName,
	"enabled": "enabled", "source": "source", "externalId": "externalId", "createdAt": "createdAt", "updatedAt": "updatedAt",
}

// userFilter turns a filter into a query. What a person wrote becomes a value, or a pattern in which every sign stands for
// itself. Comparisons with eq, sw and those of order are served by indexes where nothing but `and` joins them.
func userFilter(f scim.Filter) (bson.M, error) {
	switch f := f.(type) {
	case scim.And:
		return joined("$and", f)
	case scim.Or:
		return joined("$or", f)
	case scim.Not:
		return joined("$nor", []scim.Filter{f.Filter})
	case scim.Comparison:
		member, ok := userMembers[f.Attribute.Name]
		if !ok {
			return nil, fmt.Errorf("users are not found by %s", f.Attribute.Name)
		}
		condition, err := userCondition(f)
		if err != nil {
			return nil, err
		}
		return bson.M{member: condition}, nil
	}
	return nil, fmt.Errorf("unknown filter %T", f)
}

func joined(operator string, filters []scim.Filter) (bson.M, error) {
	all := make(bson.A, len(filters))
	for i, f := range filters {
		one, err := userFilter(f)
		if err != nil {
			return nil, err
		}
		all[i] = one
	}
	return bson.M{operator: all}, nil
}

var orders = map[scim.Op]string{
	scim.Greater: "$gt", scim.GreaterOrEqual: "$gte", scim.Less: "$lt", scim.LessOrEqual: "$lte",
}

func userCondition(c scim.Comparison) (bson.M, error) {
	if c.Op == scim.Present {
		if c.Attribute.Type == scim.Text || c.Attribute.Type == scim.Exact {
			return bson.M{"$gt": ""}, nil
		}
		return bson.M{"$exists": true}, nil
	}
	value := c.Value
	text, isText := value.(string)
	if isText && c.Attribute.Type == scim.Text {
		text = strings.ToLower(text)
		value = text
	}
	if on, ok := value.(bool); ok {
		// Who has no switch is enabled.
		if on == (c.Op == scim.Equal) {
			return bson.M{"$ne": false}, nil
		}
		return bson.M{"$eq": false}, nil
	}
	switch c.Op {
	case scim.Equal:
		return bson.M{"$eq": value}, nil
	case scim.NotEqual:
		return bson.M{"$ne": value}, nil
	case scim.Greater, scim.GreaterOrEqual, scim.Less, scim.LessOrEqual:
		return bson.M{orders[c.Op]: value}, nil
	}
	if !isText {
		return nil, fmt.Errorf("%s does not compare %T", c.Op, value)
	}
	switch c.Op {
	case scim.StartsWith:
		return bson.M{"$regex": beginsWith(text)}, nil
	case scim.Contains:
		return bson.M{"$regex": bson.Regex{Pattern: regexp.QuoteMeta(text)}}, nil
	case scim.EndsWith:
		return bson.M{"$regex": bson.Regex{Pattern: regexp.QuoteMeta(text) + `\z`}}, nil
	}
	return nil, fmt.Errorf("unknown operator %q", c.Op)
}
