# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title ERC-20 of the local chain
@notice Stands at the addresses of USDC and USDT. Anybody may mint: it must never leave a local chain.
@dev EIP-2612 permit with the domain (name, version, chainId, verifyingContract), so that the domain of USDC
     ("USD Coin", "2") is met exactly.
"""

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256

event Approval:
    owner: indexed(address)
    spender: indexed(address)
    value: uint256

DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
PERMIT_TYPE: constant(bytes32) = keccak256(
    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
)

name: public(immutable(String[32]))
symbol: public(immutable(String[16]))
decimals: public(immutable(uint8))
version: public(immutable(String[8]))

totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
nonces: public(HashMap[address, uint256])


@deploy
def __init__(_name: String[32], _symbol: String[16], _decimals: uint8, _version: String[8]):
    name = _name
    symbol = _symbol
    decimals = _decimals
    version = _version


@external
def mint(_receiver: address, _value: uint256):
    self.totalSupply += _value
    self.balanceOf[_receiver] += _value
    log Transfer(sender=empty(address), receiver=_receiver, value=_value)


@internal
def _transfer(_sender: address, _receiver: address, _value: uint256):
    assert _receiver != empty(address), "transfer to the zero address"
    assert self.balanceOf[_sender] >= _value, "transfer amount exceeds balance"
    self.balanceOf[_sender] -= _value
    self.balanceOf[_receiver] += _value
    log Transfer(sender=_sender, receiver=_receiver, value=_value)


@external
def transfer(_receiver: address, _value: uint256) -> bool:
    self._transfer(msg.sender, _receiver, _value)
    return True


@external
def transferFrom(_sender: address, _receiver: address, _value: uint256) -> bool:
    allowed: uint256 = self.allowance[_sender][msg.sender]
    assert allowed >= _value, "transfer amount exceeds allowance"
    if allowed != max_value(uint256):
        self.allowance[_sender][msg.sender] = allowed - _value
    self._transfer(_sender, _receiver, _value)
    return True


@internal
def _approve(_owner: address, _spender: address, _value: uint256):
    self.allowance[_owner][_spender] = _value
    log Approval(owner=_owner, spender=_spender, value=_value)


@external
def approve(_spender: address, _value: uint256) -> bool:
    self._approve(msg.sender, _spender, _value)
    return True


@view
@internal
def _domain_separator() -> bytes32:
    return keccak256(
        abi_encode(DOMAIN_TYPE, keccak256(name), keccak256(version), chain.id, self)
    )


@view
@external
def DOMAIN_SEPARATOR() -> bytes32:
    return self._domain_separator()


@external
def permit(
    _owner: address,
    _spender: address,
    _value: uint256,
    _deadline: uint256,
    _v: uint8,
    _r: bytes32,
    _s: bytes32,
):
    assert block.timestamp <= _deadline, "permit is expired"
    nonce: uint256 = self.nonces[_owner]
    claim: bytes32 = keccak256(abi_encode(PERMIT_TYPE, _owner, _spender, _value, nonce, _deadline))
    digest: bytes32 = keccak256(concat(b"\x19\x01", self._domain_separator(), claim))
    signer: address = ecrecover(digest, _v, _r, _s)
    assert signer != empty(address) and signer == _owner, "invalid signature"
    self.nonces[_owner] = nonce + 1
    self._approve(_owner, _spender, _value)
