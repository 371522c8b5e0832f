package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/drawd/drawd/bench"
)

func (a *app) benchAgentCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "agent",
		Short: "Send a share of the load of a coordinator elsewhere",
		Long: `The coordinator is any scenario with --agents: it gives each agent an equal share of the arrivals and one instant at which to
start, and merges histograms, outcomes and answers. Who knows the token can make this machine send load to any address.`,
		Example: `  export DRAWD_BENCH_TOKEN=$(head -c 24 /dev/urandom | base64)      # the same on all machines
  drawd bench agent --listen 10.0.0.7:7090                          # on each machine that sends load
  drawd bench flash --url http://10.0.0.5:7070 --admin-url http://10.0.0.5:7071 --agents 10.0.0.7:7090,10.0.0.8:7090`,
	}
	var o bench.AgentOptions
	f := c.Flags()
	f.StringVar(&o.Listen, "listen", "127.0.0.1:7090", "where coordinators reach this agent")
	f.StringVar(&o.Token, "bench-token", "", "what agents and coordinator both know (better in DRAWD_BENCH_TOKEN)")
	f.StringVar(&o.HDR, "hdr", "", "file for the histograms of the seconds of this agent's newest run, HdrHistogram's log format")
	f.BoolVar(&o.Once, "once", false, "end after one conversation with a coordinator who knows the token")
	a.environment(c, &o.Environment)
	a.scenario(c, &benchOutputs{}, func(ctx context.Context) error {
		if o.Token == "" {
			o.Token = a.env("bench-token", "")
		}
		if err := o.Validate(); err != nil {
			return usage(err)
		}
		return bench.Agent(ctx, o, a.stdout)
	})
	return c
}
