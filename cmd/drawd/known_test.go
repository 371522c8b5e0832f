package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestKnownAtOnce: what was made at one node is used at the others at once, by programs that were told of it and not of where they
// may use it: a campaign that was published, a key that was created. Nobody is told that it does not exist.
func TestKnownAtOnce(t *testing.T) {
	c := newCrew(t, 3)
	src, err := os.ReadFile(flashSale)
	if err != nil {
		t.Fatal(err)
	}
	key := ""
	for i := range 12 {
		by := c.founded[i%3]
		id := fmt.Sprint("sale-", i)
		c.publishNow(by, id, bytes.Replace(src, []byte("campaign: flash-sale"), []byte("campaign: "+id), 1), key)
		c.everywhere(by, func(at string) error { return c.asks(at, id, key) })
		if i%2 == 1 {
			continue
		}
		answer, body := c.sends(by, http.MethodPost, "/admin/v1/keys", `{"name":"k","scopes":["admin","draw"]}`, map[string]string{"Authorization": key})
		var k keyInfo
		if err := json.Unmarshal([]byte(body), &k); err != nil || k.Secret == "" {
			t.Fatalf("%s %v: %s", answer.Status, err, body)
		}
		key = "Bearer " + k.Secret
		c.everywhere(by, func(at string) error { return c.asks(at, id, key) })
	}
	for _, id := range c.founded {
		if err := c.asks(id, "sale-nobody-has-made", key); err == nil || !strings.Contains(err.Error(), "404") {
			t.Errorf("%s says of a campaign that does not exist: %v", id, err)
		}
		if err := c.asks(id, "sale-0", "Bearer dk_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"); err == nil || !strings.Contains(err.Error(), "401") {
			t.Errorf("%s says of a key that does not exist: %v", id, err)
		}
	}
}

// everywhere does something at all nodes but one at once.
func (c *crew) everywhere(but string, do func(at string) error) {
	c.t.Helper()
	var all sync.WaitGroup
	for _, id := range c.founded {
		if id == but {
			continue
		}
		all.Go(func() {
			if err := do(id); err != nil {
				c.t.Errorf("made at %s, used at %s: %v", but, id, err)
			}
		})
	}
	all.Wait()
}

// asks draws at a node, again while nobody leads or while nobody knows what became of it: its key is the same.
func (c *crew) asks(at, campaign, key string) error {
	for deadline := time.Now().Add(patience); ; {
		err := c.asksOnce(at, campaign, key)
		if err == nil || !leaderless(err.Error()) && !strings.Contains(err.Error(), `"code":"unknown_outcome"`) || time.Now().After(deadline) {
			return err
		}
	}
}

func (c *crew) asksOnce(at, campaign, key string) error {
	request, err := http.NewRequest(http.MethodPost, c.nodes[at].api+"/v1/campaigns/"+campaign+"/draws", strings.NewReader(`{"user":"u-`+at+`"}`))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", "k-"+at)
	if key != "" {
		request.Header.Set("Authorization", key)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, b)
	}
	return err
}

// publishNow makes a campaign live, with no time lost behind it.
func (c *crew) publishNow(by, id string, src []byte, key string) {
	c.t.Helper()
	saved, body := c.sends(by, http.MethodPut, "/admin/v1/campaigns/"+id+"/draft", string(src), map[string]string{
		"Content-Type": "application/yaml", "If-None-Match": "*", "Authorization": key,
	})
	if saved.StatusCode != http.StatusCreated {
		c.t.Fatalf("%s: %s", saved.Status, body)
	}
	tag, _ := json.Marshal(map[string]string{"draft_etag": saved.Header.Get("ETag")})
	if live, body := c.sends(by, http.MethodPost, "/admin/v1/campaigns/"+id+":publish", string(tag), map[string]string{"Authorization": key}); live.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: %s", live.Status, body)
	}
}

// sends asks a node's control plane, again while nobody leads.
func (c *crew) sends(to, method, path, body string, headers map[string]string) (*http.Response, string) {
	c.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		answer, said := c.sendsOnce(to, method, path, body, headers)
		if answer.StatusCode != http.StatusServiceUnavailable || !leaderless(said) || time.Now().After(deadline) {
			return answer, said
		}
	}
}

func (c *crew) sendsOnce(to, method, path, body string, headers map[string]string) (*http.Response, string) {
	c.t.Helper()
	request, err := http.NewRequest(method, c.nodes[to].admin+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for name, value := range headers {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer, string(b)
}
