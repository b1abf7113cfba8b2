// Package possession finds out which keys the sender of a request holds, and keeps tokens to them: by proofs of DPoP
// (RFC 9449) and by the certificates of clients (RFC 8705).
//
//	token endpoint        Verifier.Confirm   what the tokens of an answer are bound to
//	pushed requests       Verifier.Pushed    what the code of the request will be bound to
//	protected endpoints   Verifier.Holder    whether the sender of a bound token holds its key
//	public port           Front              which certificate a request comes with: the only place that knows
//
// A request without a proof and without a certificate costs nothing, unless its client or its token must have one.
package possession
