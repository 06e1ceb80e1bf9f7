# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title The positions of Hegic Herge, as a double: an ERC-721 whose first id is 0
@notice Ours, written from the interface and the known behaviour of the real one; none of its code.
@dev Kept: the calls and events of ERC-721, no enumeration, ids in the order of the purchases from 0 on, a contract that is
     given an option must say that it takes it, tokens that stay after their option has ended.
     Not claimed: names, metadata, roles (the treasury alone mints), revert strings.
"""

interface Receiver:
    def onERC721Received(operator: address, sender: address, id: uint256, data: Bytes[32]) -> bytes4: nonpayable

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    id: indexed(uint256)

event Approval:
    owner: indexed(address)
    approved: indexed(address)
    id: indexed(uint256)

event ApprovalForAll:
    owner: indexed(address)
    operator: indexed(address)
    approved: bool

RECEIVED: constant(bytes4) = method_id("onERC721Received(address,address,uint256,bytes)", output_type=bytes4)
TREASURY: immutable(address)

nextTokenId: public(uint256)
balanceOf: public(HashMap[address, uint256])
tokenPool: public(HashMap[uint256, address])
isApprovedForAll: public(HashMap[address, HashMap[address, bool]])
owners: HashMap[uint256, address]
approvals: HashMap[uint256, address]


@deploy
def __init__(_treasury: address):
    TREASURY = _treasury


@view
@internal
def _owner(_id: uint256) -> address:
    owner: address = self.owners[_id]
    assert owner != empty(address), "no such token"
    return owner


@view
@internal
def _may(_spender: address, _id: uint256) -> bool:
    owner: address = self._owner(_id)
    return _spender == owner or self.approvals[_id] == _spender or self.isApprovedForAll[owner][_spender]


@internal
def _accepted(_sender: address, _receiver: address, _id: uint256):
    if _receiver.is_contract:
        answer: bytes4 = extcall Receiver(_receiver).onERC721Received(msg.sender, _sender, _id, b"")
        assert answer == RECEIVED, "the receiver does not take it"


@internal
def _move(_sender: address, _receiver: address, _id: uint256):
    assert self._may(msg.sender, _id), "neither owner nor approved"
    assert self._owner(_id) == _sender, "not the owner's"
    assert _receiver != empty(address), "to nobody"
    self.approvals[_id] = empty(address)
    self.balanceOf[_sender] -= 1
    self.balanceOf[_receiver] += 1
    self.owners[_id] = _receiver
    log Transfer(sender=_sender, receiver=_receiver, id=_id)


@external
def createOptionFor(_holder: address) -> uint256:
    assert msg.sender == TREASURY, "not the treasury"
    id: uint256 = self.nextTokenId
    self.nextTokenId = id + 1
    self.tokenPool[id] = msg.sender
    self.balanceOf[_holder] += 1
    self.owners[id] = _holder
    log Transfer(sender=empty(address), receiver=_holder, id=id)
    self._accepted(empty(address), _holder, id)
    return id


@view
@external
def ownerOf(_id: uint256) -> address:
    return self._owner(_id)


@view
@external
def isApprovedOrOwner(_spender: address, _id: uint256) -> bool:
    return self._may(_spender, _id)


@view
@external
def getApproved(_id: uint256) -> address:
    self._owner(_id)
    return self.approvals[_id]


@external
def approve(_approved: address, _id: uint256):
    owner: address = self._owner(_id)
    assert msg.sender == owner or self.isApprovedForAll[owner][msg.sender], "not the owner's to approve"
    self.approvals[_id] = _approved
    log Approval(owner=owner, approved=_approved, id=_id)


@external
def setApprovalForAll(_operator: address, _approved: bool):
    self.isApprovedForAll[msg.sender][_operator] = _approved
    log ApprovalForAll(owner=msg.sender, operator=_operator, approved=_approved)


@external
def transferFrom(_sender: address, _receiver: address, _id: uint256):
    self._move(_sender, _receiver, _id)


@external
def safeTransferFrom(_sender: address, _receiver: address, _id: uint256):
    self._move(_sender, _receiver, _id)
    self._accepted(_sender, _receiver, _id)
