// Package client is the Go client of a drawd node or cluster: both planes, typed answers and refusals, retries that can
// never draw twice, and a batcher that turns many concurrent draws into few requests.
//
//	c, err := client.New(client.Options{URLs: []string{"http://127.0.0.1:7070"}})
//	key := client.NewKey() // store it with your order before you send
//	drawn, err := c.Draw(ctx, client.DrawRequest{Campaign: "flash", User: "u1", Key: key})
//
// Keys: what is decided once for a key (draws, takes, holds, adjustments) is refused here, unsent, without one, and the client
// makes none in secret: whoever calls holds the key before a byte leaves, and can ask again with it after his own crash.
//
// Retries follow the effect that an answer states, and nothing else:
//
//	nobody was reached                      none      sent again, to the next URL
//	408, 429, 503 with retryable            none      sent again, not before Retry-After
//	any other refusal, every denial         none      returned: *Problem, *Denial
//	504, 500, a connection cut, a timeout   unknown   sent again with the same key and Drawd-Retry: 1, where asking
//	                                                  twice cannot act twice; else returned: *Unanswered
//	a good answer that cannot be read       unknown   returned: *Unanswered
//
// They back off exponentially with full jitter and end with the context, the attempts or the deadline. [EffectOf] tells
// what an error means for the one who called: nothing happened, or nobody knows, and then the same call with the same key
// settles it, or [Client.AbandonKey] fences it. A draw that is asked for again says so: DrawRequest.Again.
//
// Times are UTC with milliseconds, money is in minor units. Fields that a newer server adds are ignored.
//
// Threads: everything may be used by any number of goroutines. There is no goroutine in a Client but those of its HTTP
// connections; a [Batcher] has some only while draws wait. Locks: Batcher.mu, never held over a call.
//
// What it does not do: find nodes by itself (a leader that is hinted at is followed only among Options.URLs, because the API key
// goes along), cache, log, or measure.
package client
