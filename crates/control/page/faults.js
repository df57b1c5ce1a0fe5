// The faults that the form offers: each parameter with its label and an example. Those that are needed come first.

export const FAULTS = {
  latency: {
    label: "latency",
    fields: {
      mean: ["Mean", "200ms"], stddev: ["Standard deviation", "40ms"],
      distribution: ["Distribution", "", ["", "constant", "normal", "uniform", "log-normal", "pareto", "pareto-normal"]],
      min: ["Minimum (uniform)", "100ms"], max: ["Maximum (uniform)", "300ms"],
      scale: ["Scale (pareto)", "20ms"], shape: ["Shape (pareto)", "1.5"],
      once: ["First bytes only", "", ["", "true", "false"]],
    },
  },
  jitter: { label: "jitter", fields: { amplitude: ["Longest hold", "20ms"], frequency: ["Times a second", "5"] } },
  bandwidth: {
    label: "bandwidth",
    fields: {
      rate: ["Rate", "1mbit/s"], burst: ["Burst", "1500B"], unit: ["Unit of a bare rate", "", ["", "Bps", "KBps", "MBps", "GBps", "kbit/s", "mbit/s", "gbit/s"]],
      scope: ["Shared by", "", ["", "session", "proxy", "all"]],
    },
  },
  packet_loss: {
    label: "packet loss",
    fields: {
      rate: ["Share of packets", "0.01"], model: ["Model", "", ["", "bernoulli", "gilbert-elliott", "markov"]],
      correlation: ["Correlation", "25%"], rtt: ["Round trip", "50ms"], mss: ["Packet size", "1460B"],
      good_to_bad: ["Good to bad", "1%"], bad_to_good: ["Bad to good", "25%"],
      good_loss: ["Loss when good", "0"], bad_loss: ["Loss when bad", "1"],
    },
  },
  blackhole: { label: "blackhole", fields: { mode: ["Bytes", "", ["", "stall", "discard"]] } },
  reset: { label: "reset", fields: { after: ["After", "0s"], bytes: ["Not before", "10KiB"] } },
  timeout: { label: "timeout", fields: { after: ["Close after", "5s"] } },
  slow_close: { label: "slow close", fields: { delay: ["Delay", "2s"] } },
  slicer: { label: "slicer", fields: { size: ["Piece", "64B"], variation: ["More or less", "16B"], delay: ["Between pieces", "1ms"] } },
  limit_data: { label: "data limit", fields: { bytes: ["Bytes", "64KiB"] } },
  refuse: { label: "refuse clients", fields: {} },
  slow_open: { label: "slow open", fields: { delay: ["Delay", "2s"] } },
  corrupt: { label: "corrupt", fields: { rate: ["Share of bytes", "0.1%"] } },
};

// What stands beside the type's own parameters in the form.
export const COMMON = ["side", "direction", "schedule"];

// The fields of a fault that is there: ours, or whatever it has.
export function fieldsOf(type, attributes) {
  const fields = FAULTS[type]?.fields;
  const names = Object.keys(attributes).filter((name) => !COMMON.includes(name));
  if (fields && names.every((name) => name in fields)) return fields;
  return Object.fromEntries(names.map((name) => [name, [name, "0"]]));
}

// As the server takes it: a bare number is one, but rates are texts, which have units of their own.
export function valueOf(type, name, text) {
  if (type === "bandwidth" && name === "rate") return text;
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}
