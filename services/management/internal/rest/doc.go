// Package rest is the management API over HTTP: generic collections for every kind of resource, a few special actions,
// and one wrapper that authenticates, checks permissions, answers errors and reports.
//
//	/management/auth/token                                                   sign-in (HTTP Basic), sign-out
//	/management/organizations/{organization}/environments                    what lies above domains
//	/management/organizations/{organization}/environments/{environment}/…    everything below an environment
//	/management/…                                                            the same in the default environment
//
// A request passes: route → bearer token → permission → organization and environment → handler → answer. Handlers return
// errors; only the wrapper answers them.
package rest
