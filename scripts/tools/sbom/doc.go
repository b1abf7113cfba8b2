// Command sbom prints what a Go program was made of, as a CycloneDX 1.6 document:
//
//	sbom -version v1.2.3 bin/gateway >gateway.cdx.json
//
// It reads what the linker wrote into the program, so that the document says what is in it and not what was meant to be.
// The same program gives the same bytes: there is no time and no chance in it.
package main
