# pragma version 0.4.3
# SPDX-License-Identifier: MIT
"""
@title Double of Opyn Gamma's AddressBook
@notice For a local chain only. Kept: the getters of the modules, keys that are the keccak of their names, an owner who sets them,
        the event AddressAdded.
        Not claimed: proxies. On mainnet the controller stands behind an upgradeable proxy that the address book owns; here every
        module is itself.
"""

event AddressAdded:
    id: indexed(bytes32)
    add: indexed(address)

OTOKEN_IMPL: constant(bytes32) = keccak256("OTOKEN_IMPL")
OTOKEN_FACTORY: constant(bytes32) = keccak256("OTOKEN_FACTORY")
WHITELIST: constant(bytes32) = keccak256("WHITELIST")
CONTROLLER: constant(bytes32) = keccak256("CONTROLLER")
MARGIN_POOL: constant(bytes32) = keccak256("MARGIN_POOL")
ORACLE: constant(bytes32) = keccak256("ORACLE")

owner: public(address)
getAddress: public(HashMap[bytes32, address])


@deploy
def __init__():
    self.owner = msg.sender


@external
def setAddress(_key: bytes32, _address: address):
    assert msg.sender == self.owner, "Ownable: caller is not the owner"
    self.getAddress[_key] = _address
    log AddressAdded(id=_key, add=_address)


@view
@external
def getOtokenImpl() -> address:
    return self.getAddress[OTOKEN_IMPL]


@view
@external
def getOtokenFactory() -> address:
    return self.getAddress[OTOKEN_FACTORY]


@view
@external
def getWhitelist() -> address:
    return self.getAddress[WHITELIST]


@view
@external
def getController() -> address:
    return self.getAddress[CONTROLLER]


@view
@external
def getMarginPool() -> address:
    return self.getAddress[MARGIN_POOL]


@view
@external
def getOracle() -> address:
    return self.getAddress[ORACLE]
