#!/bin/sh
# What tshark says of the captures here, one line a packet; fields that repeat joined by commas.
cd "$(dirname "$0")" || exit
for capture in *.pcap *.pcapng; do
	tshark -r "$capture" -n -d udp.port==8472,vxlan -o ip.defragment:FALSE -o ipv6.defragment:FALSE \
		-T fields -E header=y -E occurrence=a -E aggregator=, \
		-e frame.time_epoch -e ip.src -e ip.dst -e ipv6.src -e ipv6.dst -e tcp.srcport -e tcp.dstport -e udp.srcport \
		-e udp.dstport -e sctp.srcport -e sctp.dstport -e tcp.flags -e icmp.type -e icmp.code -e icmpv6.type \
		-e icmpv6.code -e vxlan.vni -e ip.len -e ipv6.plen -e ieee8021ad.id -e vlan.id -e eth.src -e sll.src.eth >"$capture.fields" 2>/dev/null
done
