// Command imports proves that the packages of this repository import only what scripts/imports.txt lets them.
//
//	imports -root <repository> [-rules <table>]
//
// It lists the imports of every module of go.work as that module builds alone (GOWORK=off), compares them with the table
// and prints one line for each import that breaks a rule. It exits with status 1 if there is any, or if a binary of the
// table cannot be listed: a rule about nothing proves nothing.
package main
