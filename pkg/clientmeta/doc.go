// Package clientmeta reads and writes client metadata as dynamic registration spells it (RFC 7591 §2, §3.2.1).
//
// Names, kinds and spelling come from the message configv1.OAuthSettings: its fields 1–99 are the registered members. Two
// things are done by hand: `scope`, which is one string here and a list of settings there, and the three states of a
// member, because no `response_types`, `"response_types": []` and `"response_types": null` are three different requests.
package clientmeta
