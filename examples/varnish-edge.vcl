# Varnish as an edge cache before gex-package: however many viewers ask for an address, the origin is asked once. See
# gex-package(1), "BEHIND A CACHE". The origin is 127.0.0.1:8080. To start it:
#
#   varnishd -a :80 -f /etc/varnish/varnish-edge.vcl -s malloc,2g -p default_grace=0 -p http_gzip_support=off

vcl 4.1;

backend origin {
	.host = "127.0.0.1";
	.port = "8080";
	# Longer than three target durations, after which the origin answers anyway.
	.first_byte_timeout = 30s;
	.between_bytes_timeout = 30s;
}

sub vcl_recv {
	# Two kinds of copies, compressed or not, whatever else a viewer can take.
	if (req.http.Accept-Encoding ~ "\bgzip\b") {
		set req.http.Accept-Encoding = "gzip";
	} else {
		unset req.http.Accept-Encoding;
	}
	# A file without an end, and what is of the moment.
	if (req.url ~ "^/[^/?]+/(live\.mp4|time|latency\.json)(\?|$)") {
		return (pipe);
	}
	# Whoever asks for what another has asked for already waits for that answer: Varnish does so by itself.
	return (hash);
}

# The whole address with its query says what it is, at whatever name the viewer knows the edge.
sub vcl_hash {
	hash_data(req.url);
	return (lookup);
}

sub vcl_backend_response {
	# How long is kept what, the origin says. Nothing older is served, and no refusal makes the next ones pass by the cache.
	set beresp.grace = 0s;
	set beresp.keep = 0s;
	if (beresp.ttl <= 0s) {
		set beresp.ttl = 0s;
		set beresp.uncacheable = false;
		return (deliver);
	}
}

sub vcl_deliver {
	if (obj.hits > 0) {
		set resp.http.X-Cache = "HIT";
	} else {
		set resp.http.X-Cache = "MISS";
	}
}
