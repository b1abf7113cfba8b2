// Package access asks who may use an application, wherever people get something of it: at the authorization endpoint, for devices, when
// tokens are asked for, and when an application is opened. The decision itself is that of the package of the same name that management
// shares; this one brings together what it depends on.
//
//	the client's rule ─┐
//	the person's groups, not older than a second ─┤──▶ Judge.Decide ──▶ allowed · denied · stronger sign-in
//	from where, when, how they signed in ─┘
//
// Applications that are open to everybody cost one look at domain.Client.Restricted, which callers take before they ask.
//
// While the directory does not answer, the groups that it named last count for a time that the domain sets. Beyond that nobody gets
// in, and nothing is taken away either: the answer is fault.Unavailable, not a verdict.
package access
