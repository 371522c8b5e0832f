// Command library is drawd inside a Go program, the smallest whole one: README.md shows it.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/drawd/drawd"
)

func main() {
	ctx := context.Background()
	file, err := os.ReadFile("examples/flash-sale.yaml")
	if err != nil {
		log.Fatal(err)
	}
	db, err := drawd.Open(drawd.Options{Dir: "drawd-data"}) // without Dir everything stays in memory
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close(ctx)
	sale, err := db.Publish(ctx, file)
	if err != nil {
		log.Fatal(err)
	}
	out, err := sale.Draw(ctx, drawd.DrawRequest{User: "u1", Key: "order-1"})
	fmt.Println(out.Won, out.Prize.ID, out.ID(), err)
}
