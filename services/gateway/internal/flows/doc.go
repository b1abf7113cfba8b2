// Package flows runs what people configured to happen at the points of a login and before tokens are made: attributes are set, somebody
// is refused, another site is asked.
//
//	configuration ── Compile ──▶ Flow ── Combine ──▶ Set of a client ── Engine.Run(point, phase, input) ──▶ Outcome
//
// # The points
//
//	point             pre                                      post
//	ROOT              once, at the start of an authorization   before the client is answered, when nothing else is due
//	LOGIN_IDENTIFIER  before the page that asks for the name   after the name was sent, before rules choose a provider
//	LOGIN             before the page of the sign-in           after somebody has proved who they are, before they are signed in
//	CONSENT           before the page that asks                after the answer, before it is recorded
//	REGISTER          before the page                          after the form was sent, before the account is made
//	TOKEN             before tokens are made                   before they are sent
//
// Every point sees the request, the client, the name where one was given, and the attributes that earlier points have set. The person is
// known at LOGIN post, and wherever somebody is signed in already; at TOKEN where the tokens are about one.
//
// A pre of ROOT runs once for a login, the pre of a page whenever the page is shown. A form that was posted without its page having been
// shown for this login makes up for it, and so does the next step after the flows of the point have changed: who posts straight to a page
// does not get around what stands before it. No page, no flow: somebody who is signed in and has consented passes ROOT and TOKEN alone.
//
// A device is allowed what it asks for by the same points: ROOT and CONSENT run at the page of devices, which always asks, LOGIN where
// somebody signs in for it. A refusal at ROOT or CONSENT there is a decision against the device, and the page shows the message.
//
// What a refusal does: at LOGIN_IDENTIFIER post, LOGIN post and REGISTER post the page is shown again with the message, and nobody is
// signed in; everywhere else in a login the client is told, with the code of the step and the message, or the error page shows them where
// the client cannot be trusted with an answer. At TOKEN the answer is the error of RFC 6749 §5.2; a code that was presented is spent, a
// refresh token is not used up by pre.
//
// # The steps
//
//	set-attributes   sets attributes, each by an expression
//	deny             refuses, with an error code and a message
//	http-callout     calls a site and keeps what it answers as attributes; onFailure: deny (default) or continue
//	evaluate-rules   has the selection rules looked at once more, with the attributes set so far
//
// # What can go wrong
//
// A condition that cannot be evaluated is false, a value is left out; both are reported. A step of a policy that this gateway does not
// know, or an expression that does not compile, makes the whole point fail: what might have refused somebody must not be skipped.
//
// # When changes count
//
// Flows belong to the domain that a request took at its start. So a change counts from the next step of logins that are under way, and
// never for half a step. Attributes that earlier flows have set stay for the login, as long as its client has any flow at all.
package flows
