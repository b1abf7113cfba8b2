// Package image is this replica's copy of all configuration, from which lists and searches are answered.
//
//	store.LoadInto ▶ LoadFrom  at the start, and whenever the log no longer continues
//	store.Follow ─▶ Apply      revision by revision, of all replicas
//	editor ───────▶ Wrote      what this process writes, before its answer is given
//	                  │
//	                  ▼
//	               View ──▶ Get, List     without a lock, of one moment
//
// A view is immutable. A change copies the few hundred places around the one that changes and leaves everything else to
// be shared by old and new views, so that readers never wait and a write costs the same in a domain of ten applications
// and of a hundred thousand. Resources in a view are shared by everybody and never changed.
//
// Per kind and domain, resources are kept in the order of their lists (catalog's SortText, then the identifier), with the
// texts that searches look at laid end to end: a search over 100,000 applications reads a few megabytes from front to
// back.
package image
