// Package link carries messages between the coordinator of a load test and its agents, over a TCP connection.
//
// # Who may speak
//
// Both sides know a token. Each proves it by a MAC over the nonces of both and its role, so that neither says the token, an old
// conversation cannot be played again and a side cannot be answered with its own words. Every message after that carries a MAC over
// its direction, its number and its bytes, under a key that this conversation alone has: nothing can be changed, left out or
// repeated. Nothing is encrypted: the API key of a job can be read by who reads the network, as it can in the load itself, which
// goes over plain HTTP.
//
// # Messages
//
// A message is a kind and a value of Go, encoded by encoding/gob, and has at most [MaxMessage] bytes. Only a side that has proved
// the token is decoded.
package link
