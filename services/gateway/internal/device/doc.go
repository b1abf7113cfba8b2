// Package device serves what a device without a browser needs to be allowed something by a person with one (RFC 8628): the
// endpoint where the device asks, and the pages where the person answers. The device collects the answer at the token endpoint.
//
//	/oauth/device_authorization   device ──▶ a code for itself, a code for the person
//	/device                       the person's code ──▶ /login, where nobody is signed in ──▶ /device
//	                              the question, always asked ──▶ allowed or denied
//
// The ordinary sign-in returns to /device because the request that travels in its URLs has a user code (browser.Return).
//
// What is allowed is recorded like a consent, for /account/applications to withdraw, and belongs to the person's session, with
// which it ends unless it has offline access. What was allowed before answers no question here.
package device
