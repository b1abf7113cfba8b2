// Package access answers who may use which application and why: for one person, for everybody, and for rules that are only
// proposed. It asks the decision that gateways ask (pkg/access), with the situation unknown unless it is given.
//
//	POST   …/applications/{application}/access/_check    what if: a person, a situation, other groups, another rule
//	POST   …/applications/{application}/access/_impact   how many people a proposed rule lets in and keeps out
//	POST   …/groups/{group}/_impact                      the same for a change of a group, application by application
//	POST   …/policies/{policy}/_impact                   and of a policy
//	GET    …/applications/{application}/access/users     who can open the application
//	GET    …/users/{user}/access                         what a person can open
//	GET    …/groups/{group}/access                       what membership of a group opens
//	POST   …/policies/_test                              a policy, for a person and a situation
//
// Reports look at a picture of the domain's people that is kept in memory from the first report on: names, whether they are
// enabled, and groups. At every question it follows the directory's log of touches, so that it knows what any process had changed
// before. People in the same groups share one answer wherever a rule does not look at anything else, so that a report asks once
// for each set of groups and not once for each person.
package access
