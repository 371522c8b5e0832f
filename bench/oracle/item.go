package oracle

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/valyala/fastjson"
)

// Item is one item of the records feed. Its byte slices belong to the Reader that read it, until its next call.
type Item struct {
	Kind     string
	Campaign []byte
	Version  uint32
	Seq      uint64
	At       int64 // ms
	Index    uint64
	Ordinal  uint16

	// Of a draw.
	Draw          []byte
	User          []byte
	Win           bool
	Prize         []byte // empty on a miss
	Natural       []byte // empty when the word named the miss
	Cause         string
	DrawNumber    uint32
	Word          uint64
	Digest        [16]byte
	Part, Times   uint8
	Used          []uint32
	StockAfter    int64
	HasStockAfter bool

	// Of the rest.
	Name  []byte
	Delta int64
}

// Reader decodes feed items. The zero Reader is ready.
type Reader struct {
	parser fastjson.Parser
	used   []uint32
	at     struct {
		text string
		ms   int64
	}
}

// Read decodes one line of the feed into it. A line that is no item but the page's last line gives its cursor.
func (r *Reader) Read(line []byte, it *Item) (cursor string, err error) {
	v, err := r.parser.ParseBytes(line)
	if err != nil {
		return "", fmt.Errorf("oracle: feed line: %w", err)
	}
	if c := v.GetStringBytes("next_cursor"); c != nil {
		return string(c), nil
	}
	*it = Item{
		Kind: string(v.GetStringBytes("kind")), Campaign: v.GetStringBytes("campaign"),
		Version: uint32(v.GetUint("version")), Seq: v.GetUint64("seq"),
		Index: v.GetUint64("index"), Ordinal: uint16(v.GetUint("ordinal")),
		Name: v.GetStringBytes("name"), Delta: v.GetInt64("delta"),
	}
	if it.At, err = r.time(v.GetStringBytes("at")); err != nil {
		return "", err
	}
	if it.Kind != "draw" {
		return "", nil
	}
	return "", r.draw(v, it)
}

func (r *Reader) draw(v *fastjson.Value, it *Item) error {
	it.Draw, it.User = v.GetStringBytes("draw"), v.GetStringBytes("user")
	it.Prize, it.Natural = v.GetStringBytes("prize"), v.GetStringBytes("natural")
	it.Cause = string(v.GetStringBytes("cause"))
	it.DrawNumber = uint32(v.GetUint("draw_number"))
	it.Part, it.Times = uint8(v.GetUint("part")), uint8(v.GetUint("times"))
	if after := v.Get("stock_after"); after != nil {
		it.StockAfter, it.HasStockAfter = after.GetInt64(), true
	}
	r.used = r.used[:0]
	for _, u := range v.GetArray("used") {
		r.used = append(r.used, uint32(u.GetUint()))
	}
	it.Used = r.used
	switch outcome := v.GetStringBytes("outcome"); string(outcome) {
	case "win":
		it.Win = true
	case "miss":
	default:
		return fmt.Errorf("oracle: draw %s has the outcome %q", it.Draw, outcome)
	}
	digest := v.GetStringBytes("key_digest")
	if n, err := hex.Decode(it.Digest[:], digest); err != nil || n != len(it.Digest) {
		return fmt.Errorf("oracle: draw %s has the key digest %q", it.Draw, digest)
	}
	word := v.GetStringBytes("word")
	var err error
	if it.Word, err = strconv.ParseUint(string(word), 16, 64); err != nil || len(word) != 16 {
		return fmt.Errorf("oracle: draw %s has the word %q", it.Draw, word)
	}
	return nil
}

// time parses an instant. Many items in a row carry the same one.
func (r *Reader) time(text []byte) (int64, error) {
	if string(text) == r.at.text {
		return r.at.ms, nil
	}
	t, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return 0, fmt.Errorf("oracle: feed item: at: %w", err)
	}
	r.at.text, r.at.ms = string(text), t.UnixMilli()
	return r.at.ms, nil
}
