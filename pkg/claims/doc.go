// Package claims makes claims out of what is known of a person, by the claim mappings of a domain. It is pure: gateways make tokens
// with it, and management shows what they would say.
//
//	mappings in order ── scope granted? ──▶ expression ──▶ a map ──▶ without reserved names ──▶ merged over what came before
//
// Of each claim it is known where it came from ([Source]), and of each mapping that could not be used, why.
package claims
