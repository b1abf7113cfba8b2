// Package authorization reads an authorization request, decides what must happen before it can be answered, and forms
// the answer.
//
// The request travels in the URL from page to page; what a page has settled is in the session. A request that was pushed, or
// came in an object, is kept in Redis, and the URL holds its request_uri. So every step begins with the same three calls, on
// whatever gateway it arrives:
//
//	Resolve where the parameters are: in the URL, kept, or in an object that must be verified first
//	Read   the request and everything that is wrong with it, in the order of the documented checks
//	Next   from request, session, remembered approvals and time to the next step; a pure function
//
//	/oauth/authorize ──▶ Identify ──▶ /login/identifier ──▶ /login ──┐
//	      ▲        └───▶ SignIn ───▶ /login ─────────────────────────┤
//	      ├──────────────────────────────────────────────────────────┘
//	      ├────────────▶ Consent ──▶ /oauth/consent ──┐
//	      ├───────────────────────────────────────────┘
//	      ├────────────▶ Finish ───▶ the client, with a code
//	      └────────────▶ Refuse ───▶ the client, with an error
package authorization
