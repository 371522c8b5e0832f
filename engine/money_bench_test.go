package engine

import "testing"

// BenchmarkDrawWithMoney is a draw of P7's campaign by weights, with money, and under the modes.
func BenchmarkDrawWithMoney(b *testing.B) {
	amounts := []Amount{
		{Prize: 0, Split: SplitUniform, Least: 100, Most: 900}, {Prize: 1, Split: SplitDoubleMean, Least: 1, Budget: 1 << 45},
	}
	budget := Budget{Campaign: 1 << 50, Day: 1 << 50, User: 1 << 50}
	for _, c := range []struct {
		name string
		edit func(v *Version)
	}{
		{"without", func(*Version) {}},
		{"money", func(v *Version) { v.Amounts, v.Budget = amounts, budget }},
		{"pace", func(v *Version) { v.Mode = Mode{Kind: ModePace, Entries: 1 << 24, MaxBoost: 2 * FullPPM} }},
		{"deck", func(v *Version) {
			v.Mode = Mode{Kind: ModeDeck, Entries: MaxEntries}
			for i := range v.Prizes {
				v.Prizes[i].Weight = 0
			}
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			x := newBencher(b, 10_000, 0)
			v := benchVersion(8)
			v.Caps = append(v.Caps[:0:0], v.Caps...)
			for i := range v.Prizes {
				v.Prizes[i].Stock = StockUnstated
			}
			if v.Prizes[0].Kind, v.Prizes[1].Kind = KindCash, KindCash; c.name != "money" {
				v.Prizes[0].Amount, v.Prizes[1].Amount = 5, 5
			}
			c.edit(v)
			var batch Batch
			batch.AddPublish(&Publish{Namespace: 1, Version: v})
			var out Outcome
			if err := x.engine.Apply(2, entryOf(&batch, 2_500), &out); err != nil || out.Results[0].Code != 0 {
				b.Fatal(err, out.Results)
			}
			const per = 256
			index := LogIndex(2)
			apply := func(entry []byte) {
				index++
				if err := x.engine.Apply(index, entry, &out); err != nil {
					b.Fatal(err)
				}
			}
			var entries [][]byte
			for range 1000 {
				x.entry(&batch, per)
				entries = append(entries, entryOf(&batch, 3_000))
			}
			for _, e := range entries[:500] {
				apply(e)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for done, i := 0, 500; done < b.N; done, i = done+per, i+1 {
				if i == len(entries) {
					b.StopTimer()
					for j := range entries {
						x.entry(&batch, per)
						entries[j] = entryOf(&batch, 3_000)
					}
					i = 0
					b.StartTimer()
				}
				apply(entries[i])
			}
		})
	}
}
