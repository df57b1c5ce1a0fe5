// Conditions of real networks, each with the source of its figures. docs/how-to/presets.md has the same; a test compares them.

// A delay of half the round trip in both directions.
const latency = (name, mean) => ({ type: "latency", name, attributes: { distribution: "constant", mean, direction: "both" } });

// All sessions of the proxy share the link.
const bandwidth = (name, stream, rate) => ({ type: "bandwidth", name, stream, attributes: { rate, scope: "proxy" } });

const WEBPAGETEST = {
  title: "WebPageTest, connectivity.ini.sample",
  url: "https://github.com/WPO-Foundation/webpagetest/blob/a7cf6a7742c9e93cf0c06ee6b58a608adb223f20/www/settings/connectivity.ini.sample",
};

export const PRESETS = [
  {
    id: "3g",
    label: "3G",
    about: "A mobile phone on a 3G network: 300 ms round trip, 1.6 Mbit/s for responses and 768 kbit/s for requests.",
    source: { ...WEBPAGETEST, date: "commit a7cf6a7, profile 3G" },
    faults: [
      latency("3g-latency", "150ms"),
      bandwidth("3g-responses", "downstream", "1.6mbit/s"),
      bandwidth("3g-requests", "upstream", "768kbit/s"),
    ],
  },
  {
    id: "lte",
    label: "LTE",
    about: "A mobile phone on a 4G network: 70 ms round trip, 12 Mbit/s in each direction.",
    source: { ...WEBPAGETEST, date: "commit a7cf6a7, profile LTE" },
    faults: [
      latency("lte-latency", "35ms"),
      bandwidth("lte-responses", "downstream", "12mbit/s"),
      bandwidth("lte-requests", "upstream", "12mbit/s"),
    ],
  },
  {
    id: "satellite",
    label: "Satellite",
    about: "A geostationary satellite: 724 ms round trip, 19.73 Mbit/s for responses and 2.43 Mbit/s for requests, the medians of HughesNet. "
      + "The distance alone takes 558 ms (RFC 2488).",
    source: {
      title: "Ookla, Speedtest Intelligence",
      url: "https://www.ookla.com/articles/starlink-hughesnet-viasat-performance-q2-2021",
      date: "second quarter of 2021",
    },
    faults: [
      latency("satellite-latency", "362ms"),
      bandwidth("satellite-responses", "downstream", "19.73mbit/s"),
      bandwidth("satellite-requests", "upstream", "2.43mbit/s"),
    ],
  },
  {
    id: "far-region",
    label: "Far region",
    about: "A server on another continent: 202 ms round trip, as between the AWS regions us-east-1 (Virginia) and ap-east-1 (Hong Kong).",
    source: { title: "CloudPing, AWS Region Latency Matrix", url: "https://www.cloudping.co/", date: "read in November 2026" },
    faults: [latency("far-region-latency", "101ms")],
  },
  {
    id: "flaky-wifi",
    label: "Flaky Wi-Fi",
    about: "A busy Wi-Fi network: a tenth of the packets waits 20 ms or more, and a hundredth 250 ms or more. "
      + "Wi-Fi sends lost frames again itself, so loss shows as delay.",
    source: {
      title: "Sui et al., Characterizing and Improving WiFi Latency in Large-Scale Operational Networks",
      url: "https://doi.org/10.1145/2906388.2906393",
      date: "ACM MobiSys 2016",
    },
    faults: [
      { type: "latency", name: "flaky-wifi-latency", stream: "downstream", attributes: { distribution: "log-normal", mean: "17ms", stddev: "310ms" } },
    ],
  },
  {
    id: "dead-upstream",
    label: "Dead upstream",
    about: "The upstream has lost its power or its network: nothing arrives any more, and no connection is closed for 924.6 s, "
      + "the time after which Linux gives up by default (tcp_retries2).",
    source: {
      title: "Linux kernel documentation, IP Sysctl",
      url: "https://docs.kernel.org/networking/ip-sysctl.html",
      date: "read in November 2026",
    },
    faults: [{ type: "timeout", name: "dead-upstream", attributes: { after: "924.6s", direction: "both" } }],
  },
];
