"""The chain layer that really stores: one copy-on-write block tree per node, on a block device.

    layout         where things are on the medium
    check_codes    what is said of a block beside its address
    blockref       one table entry, as bytes
    block_table    many of them, in order of their keys
    inode_data     the fields of an inode's block
    volume_header  where everything begins
    freemap        who uses which block
    chain          a blockref in memory: references, locks, children
    volume         one node: device, header, freemap and chains together; reading blocks
    lookup, insertion, deletion, modification, flush     the chain operations, one file each
    chains         all nodes together, as the Protocol that the cluster operations call
    directory, file_data, pfs, filesystem     names, files, snapshots on 1 to 8 nodes, by cluster operations alone
    making         a volume comes into being, and is opened again
    members        which devices hold the volumes of one store
    local          all nodes in one process, run straight
    fsck           is an image what it should be?

The media format is this project's own, not HAMMER2's: see docs/reference/media-layout.md.
"""
