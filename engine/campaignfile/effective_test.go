package campaignfile

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// What is paid is told for each set of prizes and each channel.
func TestOddsByPlace(t *testing.T) {
	src, err := os.ReadFile("testdata/good/sessions.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range parse(t, string(src)).Odds() {
		got = append(got, fmt.Sprint(strings.Join(o.Sessions, "+"), " ", o.Channel, " ", o.Prizes, " ", o.Miss))
	}
	want := `2027-03-27+2027-03-28 pc [{phone 10000000 10000000} {coupon 500000000 500000000} {thanks 300000000 300000000}] 190000000
2027-03-27+2027-03-28 h5 [{phone 10000000 10000000} {coupon 500000000 500000000} {thanks 400000000 400000000}] 90000000
2027-03-29 pc [{phone 50000000 50000000} {coupon 100000000 100000000} {thanks 300000000 300000000}] 550000000
2027-03-29 h5 [{phone 50000000 50000000} {coupon 100000000 100000000} {thanks 400000000 400000000}] 450000000`
	if s := strings.Join(got, "\n"); s != want {
		t.Errorf("%s\nwant\n%s", s, want)
	}
	odds := parse(t, change(t, change(t, quiet, `"weight":1,`, `"weight":0,`), `"guarantee_within":10`, `"guarantee_within":5`)).Odds()
	// A row lasts (1 - 0.8^5) / 0.2 = 3.3616 draws and ends with a coupon.
	if b := odds[0].Prizes[0]; b.ID != "b" || b.Weights != 200_000_000 || b.Pays != 297_477_392 {
		t.Errorf("%+v", odds)
	}
}
