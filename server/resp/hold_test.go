package resp

import (
	"strings"
	"testing"

	"github.com/drawd/drawd/engine"
	"github.com/drawd/drawd/engine/problem"
)

// Units are held, confirmed, given back and taken, and every refusal says why.
func TestHolds(t *testing.T) {
	r := start(t, nil)
	var b engine.Batch
	for id, units := range map[string]engine.Quantity{"seats": 4, "meals": 2} {
		b.AddPool(&engine.PutPool{Namespace: 1, ID: id, Total: units, Policy: engine.PoolPolicy{LimitPerOwner: 3, HoldTTL: 10_000}})
	}
	if err := r.log.Decide(&b); err != nil || b.Results[0].Code != problem.OK {
		t.Fatal(err, b.Results)
	}
	c := r.dial()
	id := func(reply string) string { return strings.Trim(strings.Fields(reply)[1], "]") }
	c.want("HOLD o1 k0 ITEMS seats 1048576 meals 1", "-INVALID_FIELD ITEMS must be at most 1048576 units together")
	first := c.want("HOLD o1 k1 ITEMS seats 2 meals 1", "[hold h")
	if !strings.HasSuffix(first, " expires_at :1794326410000]") {
		t.Error(first)
	}
	if again := c.ask("HOLD o1 k1 ITEMS seats 2 meals 1"); again != first {
		t.Errorf("the same key: %s, first %s", again, first)
	}
	c.want("HOLD o1 k1 ITEMS seats 1", "-IDEMPOTENCY_MISMATCH ")
	c.want("STOCK POOL seats", "[id seats total :4 unreleased :0 available :2 reserved :0 held :2 issued :0 ")
	c.want("HOLD o1 k2 ITEMS seats 2", "-CAPPED A cap is reached. cap=limit_per_owner used=2 limit=3 resets_at=never allowed=0 pool=seats key=used effect=none")
	short := c.want("HOLD o2 k1 ITEMS seats 1 meals 2", "-INSUFFICIENT_STOCK ")
	if !strings.Contains(short, " pool=meals may_return=true key=used effect=none") {
		t.Error(short)
	}
	c.want("RELEASE "+id(first), "[state released already :0]")
	c.want("RELEASE "+id(first), "[state released already :1]")
	if got := c.ask("HOLD o2 k1 ITEMS seats 1 meals 2"); strings.Split(got, "request_id")[0] != strings.Split(short, "request_id")[0] {
		t.Errorf("a hold that was refused under its key: %s, first %s", got, short)
	}
	c.want("CONFIRM "+id(first), "-HOLD_FINISHED ")
	paid := c.want("HOLD o2 k3 TTL 5000 REF order-7 ITEMS seats 2", "[hold h")
	c.want("EXTEND "+id(paid)+" TTL 20000", "[expires_at :1794326420000]")
	c.want("CONFIRM "+id(paid)+" ITEMS seats 1", "[state confirmed already :0]")
	c.want("CONFIRM "+id(paid)+" ITEMS seats 1", "[state confirmed already :1]")
	late := c.want("HOLD o3 k1 ITEMS meals 2", "[hold h")
	r.clock.Store(testNow + 60_000)
	c.want("CONFIRM "+id(late), "-HOLD_EXPIRED ")
	c.want("TAKE meals o4 k1 QUANTITY 1 REF order-8", "[take t")
	c.want("CONFIRM "+id(late)+" LATE", "-GONE ")
	c.want("STOCK POOL meals", "[id meals total :2 unreleased :0 available :1 reserved :0 held :0 issued :1 ")
	for command, want := range map[string]string{
		"TAKE none o1 k":                 "-POOL_NOT_FOUND ",
		"TAKE seats o1 k QUANTITY 0":     "-INVALID_FIELD QUANTITY must be",
		"HOLD o1 k ITEMS seats":          "-ERR wrong number of arguments",
		"HOLD o1 k ITEMS seats 1 meals":  "-INVALID_FIELD ITEMS needs",
		"HOLD o1 k TTL 5000 REF x":       "-INVALID_FIELD HOLD ends with ITEMS",
		"HOLD o1 k TTL 10 ITEMS seats 1": "-INVALID_FIELD TTL must be",
		"HOLD o1 k ITEMS none 1":         "-POOL_NOT_FOUND ",
		"CONFIRM h123":                   "-HOLD_NOT_FOUND ",
		"CONFIRM " + id(paid) + " NOW":   "-INVALID_FIELD CONFIRM has the options",
		"RELEASE " + id(paid):            "-HOLD_FINISHED ",
		"STOCK POOL none":                "-POOL_NOT_FOUND ",
		"STOCK wheel now":                "-INVALID_FIELD STOCK has the forms",
	} {
		c.want(command, want)
	}
}
