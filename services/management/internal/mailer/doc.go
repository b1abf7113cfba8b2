// Package mailer sends e-mails: it keeps them in the database until a mail server has taken them.
//
//	Ask      an errand, such as "somebody forgot a password"; written in the request that causes it
//	   ↓     worked out by the owner of its purpose, by whichever replica is first
//	Letters  what is to be sent to whom; they take the place of the errand in one step
//	   ↓     handed to the mail server, again and again for some hours
//	gone     deleted when taken, or given up and noted in the audit records
//
// An errand takes the same time to write whoever it is about, so what a request takes tells nothing about people. Everything
// that waits is sealed, because it holds links that open accounts.
//
// # Delivery
//
// A letter is sent at least once: a replica that dies between the mail server's answer and the deletion leaves it to another
// one, which sends it again under the same Message-ID. What is being worked on is held by a lease of two minutes; a replica that
// stops gives it back. A refusal for good (5xx to sender, recipient or content) ends a letter at once, everything else is tried
// again after 1, 5, 15 and 30 minutes, and after 1, 2 and 4 hours: eight attempts in about eight hours.
//
// # Limits
//
// An address gets at most five letters of a purpose in an hour, a domain sends at most 1000 letters in an hour, beside them at
// most 300 that people without an account cause by registering, and at most
// 5000 wait of a domain and 50000 of all; what exceeds the first three is dropped and noted, what exceeds the others refused.
package mailer
