package engine

import "testing"

// BenchmarkDrawWithPity is P7's campaign with a hard and a soft pity, against the same without.
func BenchmarkDrawWithPity(b *testing.B) {
	for _, with := range []bool{false, true} {
		name := "without"
		if with {
			name = "with"
		}
		b.Run(name, func(b *testing.B) {
			x := newBencher(b, 10_000, 0)
			if with {
				v := benchVersion(8)
				v.Pity = []Pity{
					{ID: "hard", Within: 20, Group: []int16{0, 1}, List: []PityPrize{{0, 1 << 30}, {1, 1 << 30}}},
					{ID: "soft", Group: []int16{2}, Soft: []SoftStep{{5, []SoftWeight{{2, 70_000}}}, {9, []SoftWeight{{2, 90_000}}}}},
				}
				for i := range v.Prizes {
					v.Prizes[i].Stock = StockUnstated
				}
				var batch Batch
				batch.AddPublish(&Publish{Namespace: 1, Version: v})
				var out Outcome
				if err := x.engine.Apply(2, entryOf(&batch, 2_500), &out); err != nil || out.Results[0].Code != 0 {
					b.Fatal(err, out.Results)
				}
			}
			const per = 256
			var batch Batch
			var out Outcome
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
