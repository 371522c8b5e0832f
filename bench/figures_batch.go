package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/drawd/drawd/bench/load"
)

// batches is P3 or P4.
func (f *figures) batches(ctx context.Context, id, name string, least int, wire bool) ([]Figure, error) {
	campaign, err := f.publish(ctx, steadyCampaign(f.o.Users, time.Now()))
	if err != nil {
		return nil, err
	}
	fig := Figure{ID: id, Name: fmt.Sprintf("%s of %d", name, f.o.BatchDraws), Goal: "≥ " + count(least), Units: f.o.BatchDraws,
		goals: []goal{{"rate", atLeast, float64(least)}}}
	err = f.pairs(ctx, &fig, campaign, f.o.BatchConns, load.Decided, func(host string) load.Workload {
		return newBatchLoad(host, campaign, f.o.BatchDraws, uint32(f.o.Users), wire)
	})
	return []Figure{fig}, err
}

// batchLoad sends batches of draws. The body is laid out once; users and keys have a fixed width and are patched.
type batchLoad struct {
	request []byte
	first   int // offset of the first item
	stride  int // bytes of an item
	userAt  int // in an item
	keyAt   int
	draws   int
	users   uint32 // 0: draws are by users one after the other
	wire    bool   // the binary form
	nonce   string // the beginning of its keys
	sent    uint64 // draws
	heard   heard  // by the number of the batch
	refused uint64 // draws that were not decided

	patient bool              // refusals because of load are asked again, with the same draws
	open    map[uint32]uint64 // patient: first draw of each request without a final answer
}

const batchKeyDigits = 12

func newBatchLoad(host, campaign string, draws int, users uint32, wire bool) *batchLoad {
	b := &batchLoad{draws: draws, users: users, wire: wire, nonce: keyNonce(), open: map[uint32]uint64{}}
	var body []byte
	contentType, at := "application/json", 0
	if wire {
		contentType = "application/vnd.drawd.batch"
		body, at = b.layBinary(campaign)
	} else {
		body, at = b.layJSON(campaign)
	}
	b.request = fmt.Appendf(nil, "POST /v1/draws:batch HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", host, contentType, len(body))
	b.first = len(b.request) + at
	b.request = append(b.request, body...)
	return b
}

// layJSON lays out the JSON form and returns it with the offset of its first item.
func (b *batchLoad) layJSON(campaign string) ([]byte, int) {
	const open = `{"draws":[`
	head := `{"campaign":"` + campaign + `","user":"u`
	item := head + zeros(userDigits) + `","key":"` + b.nonce + "000" + zeros(batchKeyDigits-3) + `"}`
	b.userAt, b.keyAt, b.stride = len(head), len(item)-len(`"}`)-batchKeyDigits, len(item)+1
	body := []byte(open)
	for i := range b.draws {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, item...)
	}
	return append(body, "]}"...), len(open)
}

// layBinary lays out the binary form (docs/wire.md).
func (b *batchLoad) layBinary(campaign string) ([]byte, int) {
	key := b.nonce + "000" + zeros(batchKeyDigits-3)
	user := "u" + zeros(userDigits)
	item := append([]byte{0, 0}, byte(len(user))) // campaign 0, no flags
	item = append(append(item, user...), byte(len(key)))
	item = append(item, key...)
	b.stride = 2 + len(item)
	b.userAt = 2 + 3 + 1
	b.keyAt = b.stride - batchKeyDigits

	rest := append([]byte{1, byte(len(campaign))}, campaign...)
	at := 16 + len(rest)
	for range b.draws {
		rest = binary.LittleEndian.AppendUint16(rest, uint16(len(item)))
		rest = append(rest, item...)
	}
	body := append([]byte("drwb"), 1, 1)
	body = binary.LittleEndian.AppendUint16(body, uint16(b.draws))
	body = binary.LittleEndian.AppendUint32(body, uint32(len(rest)))
	body = binary.LittleEndian.AppendUint32(body, 0)
	return append(body, rest...), at
}

// keyNonce makes the keys of two workloads differ: were they the same, the draws of one would be answered as the other's, and the verdict
// be that draws are lost. 48 bits: some ten workloads of a run draw from one campaign.
func keyNonce() string { return fmt.Sprintf("%012x-", nonce()>>16) }

// AppendRequest implements load.Workload.
func (b *batchLoad) AppendRequest(dst []byte, id uint32, again bool) []byte {
	from := b.sent
	if again {
		from = b.open[id]
	} else {
		b.sent += uint64(b.draws)
	}
	if b.patient {
		b.open[id] = from
	}
	b.heard.sent(id, from/uint64(b.draws))
	at := len(dst) + b.first
	dst = append(dst, b.request...)
	for n := from; n < from+uint64(b.draws); n++ {
		item := dst[at : at+b.stride]
		putDigits(item[b.userAt:b.userAt+userDigits], b.user(n))
		putDigits(item[b.keyAt:b.keyAt+batchKeyDigits-8], uint32(n/1e8))
		putDigits(item[b.keyAt+batchKeyDigits-8:b.keyAt+batchKeyDigits], uint32(n%1e8))
		at += b.stride
	}
	return dst
}

// user is who makes draw n.
func (b *batchLoad) user(n uint64) uint32 {
	if b.users == 0 {
		return uint32(n)
	}
	return uint32(scattered(n, b.users))
}

// acknowledged implements remembering.
func (b *batchLoad) acknowledged() []uint64 { return []uint64{b.heard.count * uint64(b.draws)} }

// some implements remembering: a draw of each of so many batches.
func (b *batchLoad) some(n int, seed uint64) []drawn {
	var all []drawn
	for _, k := range b.heard.pick(n, seed) {
		n := k*uint64(b.draws) + k%uint64(b.draws)
		all = append(all, drawn{0, b.user(n), fmt.Sprintf("%s%0*d", b.nonce, batchKeyDigits, n)})
	}
	return all
}

// Answer implements load.Workload: every draw of the batch must have been decided.
func (b *batchLoad) Answer(id uint32, a *load.Answer) (load.Class, time.Duration) {
	class := classOf(a.Status)
	if class == load.Refused && b.patient {
		return class, 5 * time.Millisecond
	}
	if class != load.Decided {
		return class, load.Done
	}
	delete(b.open, id)
	decided := 0
	if b.wire {
		decided = decidedBinary(a.Body)
	} else {
		decided = bytes.Count(a.Body, []byte(`{"status":200,`))
	}
	if decided == b.draws {
		b.heard.decided(id)
	}
	if decided == b.draws || !b.mine(a.Body) {
		return load.Decided, load.Done
	}
	b.refused += uint64(b.draws - decided)
	return load.Failed, load.Done
}

// mine tells an answer of drawd from the empty handler's.
func (b *batchLoad) mine(body []byte) bool { return len(body) == 0 || body[0] != 'x' }

// decidedBinary counts the items of an answer with the status 200.
func decidedBinary(body []byte) (n int) {
	if len(body) < 16 || string(body[:4]) != "drwb" {
		return 0
	}
	for rest := body[16:]; len(rest) >= 4; {
		size := int(binary.LittleEndian.Uint16(rest))
		if binary.LittleEndian.Uint16(rest[2:]) == 200 {
			n++
		}
		if len(rest) < 2+size {
			return n
		}
		rest = rest[2+size:]
	}
	return n
}

// Lost implements load.Workload.
func (b *batchLoad) Lost(uint32, int) time.Duration { return load.Done }
