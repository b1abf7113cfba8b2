package control

import (
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-am/gatehouse/services/gatehouse/internal/proc"
)

// story has something of every kind that can be made, in an order in which it can.
const story = `
kind: domain
metadata: {name: Acme}
spec: {name: Acme, enabled: true}
---
kind: scope
spec: {key: reports, name: Reports, description: What robots read}
---
kind: certificate
spec: {name: fresh, type: generated-am-certificate, configuration: {algorithm: ES256}}
---
kind: identity-provider
spec: {name: Inline, type: inline-am-idp, configuration: {users: [{username: bob, password: "Bob-likes-2-sign-in!"}]}}
---
kind: role
spec: {name: Reader, description: reads}
---
kind: group
spec: {name: Finance, description: those who pay}
---
kind: policy
spec: {name: Weekdays, type: time-window, configuration: {timeZone: Europe/Berlin, windows: [{days: [mon], from: "08:00", to: "19:00"}]}}
---
kind: claim-mapping
spec: {name: Tier, scope: profile, expression: "{'tier': 'x'}", targets: [userinfo]}
---
kind: application-group
spec: {name: Money}
---
kind: application
metadata: {name: Payroll}
spec: {name: Payroll, type: web, redirectUris: ["https://pay.example/cb"], launchUrl: "https://pay.example/"}
---
kind: provider
spec: {name: Spare, type: oauth2, configuration: {applicationType: web, redirectUris: ["https://spare.example/cb"]}}
---
kind: flow
spec: {name: Greet, type: root, enabled: true, pre: [], post: []}
---
kind: form
spec: {template: login, enabled: true, content: "<!doctype html><title>Sign in</title><h1>Welcome</h1>"}
---
kind: email
spec: {template: forgot_password, enabled: true, subject: Hello, content: "<p>Hello</p>", from: "a@example.com"}
---
kind: user
spec: {username: alice, email: alice@example.com, password: "Alice-likes-2-sign-in!", firstName: Alice, lastName: Doe}
---
kind: binding
metadata: {application: Payroll}
spec: {group: Finance}
---
kind: access
metadata: {application: Payroll}
spec: {mode: any}
---
kind: entitlement
metadata: {application: Payroll}
spec: {name: approver}
---
kind: entitlement-binding
metadata: {application: Payroll, entitlement: approver}
spec: {user: alice}
---
kind: application-flow
metadata: {application: Payroll}
spec: {name: Own, type: login, enabled: true, pre: [], post: []}
---
kind: application-form
metadata: {application: Payroll}
spec: {template: login, enabled: true, content: "<!doctype html><title>Sign in</title><h1>Payroll</h1>"}
---
kind: application-email
metadata: {application: Payroll}
spec: {template: forgot_password, enabled: true, subject: Hello, content: "<p>Payroll</p>", from: "a@example.com"}
---
kind: group-member
metadata: {group: Finance, name: alice}
---
kind: organization-role
spec: {name: Helper, assignableType: domain, permissions: ["domain:read"]}
---
kind: operator
spec: {username: carol, email: carol@example.com, password: "Carol-likes-2-sign-in!", firstName: Carol, lastName: Doe}
---
kind: operator
spec: {username: robot, serviceAccount: true}
---
kind: registration-token
spec: {name: partners}
---
kind: secret
metadata: {application: Payroll}
spec: {name: second}
---
kind: operator-token
metadata: {user: robot}
spec: {name: nightly}
`

// membersOf are made with the identifiers of an operator and of roles.
const membersOf = `
kind: member
spec: {memberId: OPERATOR, memberType: user, role: DOMAIN}
---
kind: application-member
metadata: {application: Payroll}
spec: {memberId: OPERATOR, memberType: user, role: APPLICATION}
---
kind: organization-member
spec: {memberId: OPERATOR, memberType: user, role: ORGANIZATION}
---
kind: environment-member
spec: {memberId: OPERATOR, memberType: user, role: ENVIRONMENT}
`

type kind struct{ Kind, Singular, In, Verbs string }

// TestEveryKind makes something of every kind, finds that nothing is to be done then, reads it all, and takes it away.
func TestEveryKind(t *testing.T) {
	g := proc.StartGatehouse(t, "--demo=false")
	c := signedIn(t, g)
	kinds := parse[[]kind](t, c.ok("kinds", "-o", "json"))
	in := []string{"--domain", "acme"}
	c.file("files/1.yaml", story)
	c.made(t, append([]string{"apply", "-f", "files", "-o", "yaml"}, in...), strings.Count(story, "kind: ")-1) // the access rule was there
	members := c.members(t)
	c.file("files/2.yaml", members)
	for _, k := range kinds {
		if strings.Contains(k.Verbs, "made") && !strings.Contains(story+members, "kind: "+k.Singular+"\n") {
			t.Errorf("nothing of kind %s is made", k.Singular)
		}
	}
	c.made(t, append([]string{"apply", "-f", "files", "-o", "yaml"}, in...), strings.Count(members, "kind: "))
	for line := range strings.Lines(c.ok(append([]string{"apply", "-f", "files"}, in...)...)) {
		// A password that is given may be another one.
		if !strings.HasSuffix(line, " unchanged\n") && line != "identity-provider/Inline changed\n" {
			t.Errorf("applied again: %s", line)
		}
	}
	for _, k := range kinds {
		c.readAgain(t, k, in)
	}
	c.ok("delete", "binding", "Finance", "-d", "acme", "--application", "Payroll", "--yes", "--confirm", "opens")
	for _, gone := range []string{"application-form login", "application-email forgot_password", "application-flow Own", "entitlement approver", "secret second"} {
		c.ok(append(append([]string{"delete"}, strings.Fields(gone)...), "-d", "acme", "--application", "Payroll", "--yes", "--confirm", "closes")...)
	}
	for _, gone := range []string{"operator carol", "application Payroll", "provider Spare", "group Finance", "policy Weekdays", "role Reader", "user alice", "form login", "flow Greet"} {
		c.ok(append(append([]string{"delete"}, strings.Fields(gone)...), "-d", "acme", "--yes")...)
	}
	c.ok("delete", "domain", "acme", "--yes")
	c.refused(2, `there is no domain "acme"`, "get", "domain", "acme")
}

// made applies and counts what is new.
func (c *control) made(t *testing.T, args []string, want int) {
	t.Helper()
	out := c.ok(args...)
	if made := strings.Count(out, "result: created"); made != want {
		t.Errorf("%d of %d were made", made, want)
	}
}

// members says that carol is made a member.
func (c *control) members(t *testing.T) string {
	t.Helper()
	type one struct{ ID, Name, AssignableType string }
	type person struct{ ID, Username string }
	all := parse[[]person](t, c.ok("list", "operators", "-o", "json"))
	carol := slices.IndexFunc(all, func(p person) bool { return p.Username == "carol" })
	text := strings.ReplaceAll(membersOf, "OPERATOR", all[carol].ID)
	for _, role := range parse[[]one](t, c.ok("list", "organization-roles", "-o", "json")) {
		if strings.HasSuffix(strings.ToLower(role.Name), "user") {
			text = strings.ReplaceAll(text, "role: "+strings.ToUpper(role.AssignableType)+"}", "role: "+role.ID+"}")
		}
	}
	if strings.Contains(text, "role: DOMAIN}") {
		t.Fatalf("no role was found:\n%s", text)
	}
	return text
}

// readAgain lists a kind in every form, and applies what is read: it is so already.
func (c *control) readAgain(t *testing.T, k kind, in []string) {
	t.Helper()
	args := slices.Clone(in)
	for parent, name := range map[string]string{"application": "Payroll", "entitlement": "approver", "group": "Finance", "user": "alice"} {
		if slices.Contains(strings.Split(k.In, ", "), parent) {
			if k.Kind == "operator-tokens" {
				name = "robot"
			}
			args = append(args, "--"+parent, name)
		}
	}
	if k.Kind == "access" {
		c.again(t, k, c.ok(append([]string{"get", "access", "-o", "yaml"}, args...)...), in)
		return
	}
	names := strings.FieldsFunc(c.ok(append([]string{"list", k.Kind, "-o", "name"}, args...)...), func(r rune) bool { return r == '\n' })
	table := c.ok(append([]string{"list", k.Kind}, args...)...)
	if len(names) > 0 && !strings.Contains(table, strings.TrimPrefix(names[0], k.Singular+"/")) {
		t.Errorf("%s: %s is not in the table\n%s", k.Kind, names[0], table)
	}
	if strings.Contains(k.Verbs, "made") && len(names) == 0 {
		t.Errorf("%s: none is there", k.Kind)
	}
	if !strings.Contains(k.Verbs, "changed") || k.Kind == "flows" || k.Kind == "application-flows" || k.Kind == "organization-roles" {
		return // what is built in is listed too
	}
	name := strings.TrimPrefix(names[0], k.Singular+"/")
	c.again(t, k, c.ok(append([]string{"get", k.Singular, name, "-o", "yaml"}, args...)...), in)
}

func (c *control) again(t *testing.T, k kind, text string, in []string) {
	t.Helper()
	if r := c.run(text, append([]string{"apply", "-f", "-"}, in...)...); r.status != 0 || !strings.HasSuffix(r.out, " unchanged\n") {
		t.Errorf("%s, applied as it was read, ends with %d: %s%s\n%s", k.Kind, r.status, r.out, r.err, text)
	}
	if r := c.run(text, append([]string{"diff", "-f", "-"}, in...)...); r.status != 0 || r.out != "" {
		t.Errorf("%s differs from itself, %d: %s%s", k.Kind, r.status, r.out, r.err)
	}
}
